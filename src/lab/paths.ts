/** Where a lab keeps its things. Nothing of a lab lies outside these folders, its namespaces and its cgroup. */
import {homedir} from 'node:os'
import {join} from 'node:path'

/** Survives a reboot of the machine: plan, record, certificates, logs, etcd and node disks. */
export const labsFolder = '/var/lib/cilium-lab'
/** Ends with the machine: lock, sockets, each node's /run. */
export const labsRunFolder = '/run/cilium-lab'

export function labPaths(name: string) {
  const data = join(labsFolder, name)
  const run = join(labsRunFolder, name)
  return {
    data,
    run,
    lock: join(labsRunFolder, `${name}.lock`),
    plan: join(data, 'lab.json'),
    record: join(data, 'record.jsonl'),
    kubeconfig: join(data, 'kubeconfig'),
    /** the same file by a short name, what users are told */
    kubeconfigLink: join(run, 'kubeconfig'),
    kubectl: join(data, 'bin', 'kubectl'),
    pki: join(data, 'pki'),
    logs: join(data, 'log'),
    etcd: join(data, 'etcd'),
    bin: join(data, 'bin'),
    log: (process: string) => join(data, 'log', `${process}.log`),
    node: (node: string) => nodePaths(data, run, node),
  }
}

function nodePaths(data: string, run: string, node: string) {
  const disk = join(data, 'nodes', node)
  return {
    /** what the node keeps over a reboot */
    disk,
    /** the node's /run, seen from the machine */
    run: join(run, node),
    etc: join(disk, 'etc'),
    cniBin: join(disk, 'cni-bin'),
    cniConf: join(disk, 'cni-conf'),
    init: join(run, node, 'lab', 'init.pid'),
    containerd: join(run, node, 'containerd', 'containerd.sock'),
  }
}

/** Built binaries, by version. $XDG_CACHE_HOME as the XDG base directory specification has it. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  const xdg = environment['XDG_CACHE_HOME']
  return join(xdg?.startsWith('/') ? xdg : join(homedir(), '.cache'), 'cilium-lab')
}
