/** Removing: one node, IPv4 only, kube-proxy present, killed half-way, with objects that a user wrote. */
import {mkdtempSync, readFileSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {parseAllDocuments} from 'yaml'
import {Cluster, imageName, until} from '../support/lab/cluster.ts'

const node = 'the-only-one'
const cluster = new Cluster('t-remove')
const folder = mkdtempSync(join(tmpdir(), 'cilium-uninstall-'))

beforeAll(async () => {
  await cluster.down()
  await cluster.up(
    1,
    ...['--node-names', node, '--ip-families', 'ipv4', '--pod-cidr', '10.66.0.0/16', '--kube-proxy', 'iptables'],
  )
})

afterAll(async () => {
  await cluster.down()
  rmSync(folder, {recursive: true, force: true})
})

const policy = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNetworkPolicy',
  metadata: {name: 'mine', namespace: 'default', annotations: {note: 'kept'}},
  spec: {endpointSelector: {matchLabels: {app: 'web'}}, ingress: [{}]},
}

const deployment = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: {name: 'web', namespace: 'default'},
  spec: {
    selector: {matchLabels: {app: 'web'}},
    template: {
      metadata: {labels: {app: 'web'}},
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{name: 'web', image: imageName, imagePullPolicy: 'Never', command: ['sleep', 'infinity']}],
      },
    },
  },
}

/** What a node has of ours. */
async function leftOn(): Promise<string> {
  return await cluster.at(
    node,
    ...[
      'sh',
      '-c',
      'ls /sys/class/net /sys/fs/bpf /etc/cni/net.d /opt/cni/bin | grep -E "cilium|lxc"; ip route show table all proto 193; ip -6 route show table all proto 193; (ip rule; ip -6 rule) | grep -E "proto 193|cilium"; true',
    ],
  )
}

describe('a cluster that Cilium is removed from', () => {
  test('is installed with what follows from one node and kube-proxy', async () => {
    const {exitCode, stdout, stderr} = await cluster.cilium('install', '--wait')
    const values = await cluster.ciliumOk('config', 'view', '-o', 'json')

    expect(exitCode, stdout + stderr).toBe(0)
    expect(stderr).toContain('operator.replicas=1')
    expect(JSON.parse(values)).toMatchObject({'enable-ipv4': 'true', 'enable-ipv6': 'false', ipam: 'kubernetes'})
    expect(await leftOn()).toContain('cilium_host')
  })

  test('shows what would be removed, and changes nothing', async () => {
    await cluster.apply(policy, deployment)
    await cluster.podAddresses('default', 'app=web')

    const {stderr} = await cluster.cilium('uninstall', '--dry-run')

    expect(stderr).toContain('DaemonSet kube-system/cilium')
    expect(stderr).toContain('CiliumNetworkPolicy default/mine')
    await cluster.agentsReady()
  })

  test('goes on removing after it was killed half-way', async () => {
    const killed = execa(
      process.execPath,
      ['bin/cilium.js', 'uninstall', '--export-file', join(folder, 'first.yaml')],
      {
        env: {KUBECONFIG: cluster.kubeconfig},
        reject: false,
      },
    )
    await until('the nodes to be cleaned', 60_000, async () => {
      const found = await cluster.kubectl('-n', 'kube-system', 'get', 'ds', '-o', 'name')
      return found.includes('cilium-cleanup') ? true : undefined
    })
    killed.kill('SIGKILL')
    await killed

    const {exitCode, stdout, stderr} = await cluster.cilium(
      'uninstall',
      '--wait',
      '--export-file',
      join(folder, 'second.yaml'),
    )

    expect(exitCode, stdout + stderr).toBe(0)
    expect(stdout).toContain('kubectl -n default rollout restart deployment/web')
    expect(await leftOn()).toBe('')
    expect(await cluster.kubectl('-n', 'kube-system', 'get', 'ds,deploy,cm,secret,sa', '-o', 'name')).not.toContain(
      'cilium',
    )
    expect(await cluster.kubectl('get', 'nodes', '-o', 'jsonpath={.items[*].spec.taints}')).not.toContain('cilium')
  })

  test('keeps what the user wrote, in a file and in the cluster', async () => {
    const kept = JSON.parse(await cluster.kubectl('get', 'cnp', 'mine', '-o', 'json'))
    const written = ['first.yaml', 'second.yaml'].map((name) =>
      parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((one) => one.toJS()),
    )

    expect(kept.spec).toEqual(policy.spec)
    expect(written).toEqual([[policy], [policy]])
  })

  test('has no definition left once those are wanted away', async () => {
    await cluster.ciliumOk('uninstall', '--delete-crds', '--wait', '--export-file', join(folder, 'third.yaml'))

    expect(await cluster.kubectl('get', 'crd', '-o', 'name')).not.toContain('cilium.io')
    expect((await cluster.cilium('uninstall')).stderr).toContain('INSTALL_NOT_FOUND')
  })

  test('can be installed on again, told where the API server and the cgroups are', async () => {
    const url = await cluster.kubectl('config', 'view', '--minify', '-o', 'jsonpath={.clusters[0].cluster.server}')
    const {hostname, port} = new URL(url)
    const values = [
      ...[`k8sServiceHost=${hostname}`, `k8sServicePort=${port}`],
      ...['cgroup.autoMount.enabled=false', 'cgroup.hostRoot=/run/cilium/cgroupv2'],
    ]

    await cluster.ciliumOk('install', '--wait', ...values.flatMap((value) => ['--set', value]))
    await cluster.kubectl('delete', 'pods', '--all', '--wait=true')
    const agent = ['-n', 'kube-system', 'exec', 'ds/cilium', '--', 'printenv', 'KUBERNETES_SERVICE_HOST']

    expect(await cluster.kubectl(...agent)).toBe(hostname)

    expect((await cluster.podAddresses('default', 'app=web')).size).toBe(1)
  })
})
