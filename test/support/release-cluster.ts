/** A real API server with two nodes that run nothing, the CLI and the real Helm: enough for releases. */
import {execa} from 'execa'
import {helmProgram} from './helm.ts'
import {type KubernetesApi, startKubernetesApi} from './kubernetes-api.ts'

type Running = ReturnType<typeof runCli>

const runCli = (env: {readonly KUBECONFIG: string; readonly NO_COLOR: string}, args: readonly string[]) =>
  execa(process.execPath, ['bin/cilium.js', ...args], {env, reject: false})

export interface ReleaseCluster {
  readonly api: KubernetesApi
  cilium(...args: string[]): Promise<Awaited<Running>>
  /** the CLI as a process, to be killed */
  start(...args: string[]): Running
  /** standard output */
  helm(...args: string[]): Promise<string>
  // biome-ignore lint/suspicious/noExplicitAny: a program's JSON is looked into
  helmJson(...args: string[]): Promise<any>
}

/** The first call on a machine builds Helm: some minutes. */
export async function startReleaseCluster(): Promise<ReleaseCluster> {
  const helmPath = await helmProgram()
  const api = await startKubernetesApi()
  await makeNode(api, 'node1', 1)
  await makeNode(api, 'node2', 2)
  const env = {KUBECONFIG: api.kubeconfig, NO_COLOR: '1'}
  const helm = async (...args: string[]) => (await execa(helmPath, [...args, '-n', 'kube-system'], {env})).stdout
  const start = (...args: string[]): Running => runCli(env, args)
  return {
    api,
    start,
    helm,
    helmJson: async (...args) => JSON.parse(await helm(...args, '-o', 'json')),
    cilium: async (...args) => await start(...args),
  }
}

async function makeNode(api: KubernetesApi, name: string, number: number): Promise<void> {
  const podCIDRs = [`10.244.${number}.0/24`, `fd00:244:0:${number}::/64`]
  await api.call('POST', '/api/v1/nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {name},
    spec: {podCIDR: podCIDRs[0], podCIDRs},
  })
  const status = {
    addresses: [
      {type: 'InternalIP', address: `192.0.2.1${number}`},
      {type: 'InternalIP', address: `2001:db8::1${number}`},
    ],
    nodeInfo: {
      architecture: 'amd64',
      bootID: '',
      containerRuntimeVersion: '',
      kernelVersion: '6.18.0',
      kubeProxyVersion: '',
      kubeletVersion: 'v1.34.4',
      machineID: '',
      operatingSystem: 'linux',
      osImage: '',
      systemUUID: '',
    },
  }
  await api.call('PATCH', `/api/v1/nodes/${name}/status`, {status}, 'application/merge-patch+json')
}
