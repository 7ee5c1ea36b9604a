/** Kubernetes objects that tests of services apply, and processes that ask those services. */
import {type ChildProcess, spawn} from 'node:child_process'
import {execArgv} from '../../../src/lab/exec.ts'
import {readPlan} from '../../../src/lab/state.ts'
import type {DialCount} from '../../../src/workload/dial.ts'
import type {StreamCount} from '../../../src/workload/stream.ts'
import {type Cluster, imageName, until} from './cluster.ts'

/** Pods that answer on ports 8080 (HTTP) and 9000 (what they are sent, TCP and UDP). */
export function echoDeployment(
  name: string,
  options: {
    readonly replicas: number
    readonly app?: string
    readonly node?: string
    readonly hostPort?: number
    /** how long a pod that has been told to end goes on answering, s */
    readonly lingerS?: number
  },
): object {
  const {replicas, app = 'echo', node, hostPort, lingerS = 0} = options
  const port = (protocol: string) => ({
    name: `echo-${protocol.toLowerCase()}`,
    containerPort: 9000,
    protocol,
    ...(hostPort === undefined ? {} : {hostPort}),
  })
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {name, namespace: 'default'},
    spec: {
      replicas,
      strategy: {rollingUpdate: {maxSurge: '100%', maxUnavailable: 0}},
      selector: {matchLabels: {deployment: name}},
      template: {
        metadata: {labels: {deployment: name, app}},
        spec: {
          ...(node === undefined ? {} : {nodeName: node}),
          terminationGracePeriodSeconds: lingerS + 10,
          containers: [
            {
              name: 'echo',
              image: imageName,
              imagePullPolicy: 'Never',
              command: ['test-workload', '--http', '8080', '--tcp-echo', '9000', '--udp-echo', '9000'],
              ports: [port('TCP'), port('UDP')],
              // a slow machine does not make a pod unready
              readinessProbe: {
                httpGet: {path: '/', port: 8080},
                periodSeconds: 1,
                timeoutSeconds: 10,
                failureThreshold: 6,
              },
              ...(lingerS === 0 ? {} : {lifecycle: {preStop: {sleep: {seconds: lingerS}}}}),
            },
          ],
        },
      },
    },
  }
}

/** A dual-stack service of type LoadBalancer for the echo ports (90, by their names) and HTTP (80). */
export function echoService(name: string, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {name, namespace: 'default'},
    spec: {
      type: 'LoadBalancer',
      ipFamilyPolicy: 'RequireDualStack',
      selector: {app: 'echo'},
      ports: [
        {name: 'tcp', port: 90, protocol: 'TCP', targetPort: 'echo-tcp'},
        {name: 'udp', port: 90, protocol: 'UDP', targetPort: 'echo-udp'},
        {name: 'http', port: 80, targetPort: 8080},
      ],
      ...spec,
    },
  }
}

export interface ServiceAddresses {
  readonly cluster: readonly string[]
  readonly balancer: readonly string[]
  /** node port of a port's name */
  readonly nodePorts: Readonly<Record<string, number>>
}

/** What a service has been given, once it has all. */
export async function serviceAddresses(cluster: Cluster, name: string): Promise<ServiceAddresses> {
  return await until(`addresses of service ${name}`, 60_000, async () => {
    const {spec, status} = JSON.parse(await cluster.kubectl('get', 'service', name, '-o', 'json')) as {
      spec: {type: string; clusterIPs: string[]; ports: {name: string; nodePort?: number}[]}
      status: {loadBalancer?: {ingress?: {ip: string}[]}}
    }
    const balancer = (status.loadBalancer?.ingress ?? []).map(({ip}) => ip)
    if (spec.type === 'LoadBalancer' && balancer.length < spec.clusterIPs.length) return undefined
    const nodePorts = Object.fromEntries(spec.ports.map((port) => [port.name, port.nodePort ?? 0]))
    return {cluster: spec.clusterIPs, balancer, nodePorts}
  })
}

/** Asks a running workload, wherever it is. */
export interface Asker {
  counts(path: 'dials' | 'dials/drain'): Promise<DialCount[]>
  counts(path: 'streams' | 'streams/drain'): Promise<StreamCount[]>
  get(url: string): Promise<string>
}

/** A workload in a pod that is there already. */
export function podAsker(cluster: Cluster, pod: string, port = 8080): Asker {
  const get = (url: string) => cluster.kubectl('exec', pod, '--', 'curl', '-sSf', '-g', '-m', '20', url)
  return {get, counts: async (path: string) => JSON.parse(await get(`http://localhost:${port}/${path}`))}
}

/** A workload beyond the cluster's nodes: a client from outside. */
export class OutsideWorkload implements Asker {
  private readonly cluster: Cluster
  private readonly port: number
  private readonly child: ChildProcess

  constructor(cluster: Cluster, port: number, flags: readonly string[]) {
    this.cluster = cluster
    this.port = port
    const argv = [process.execPath, `${process.cwd()}/bin/test-workload.js`, '--http', String(port), ...flags]
    const [command, ...args] = execArgv(readPlan(cluster.name), 'outside', argv)
    this.child = spawn(command!, args, {stdio: 'ignore'})
  }

  get(url: string): Promise<string> {
    return this.cluster.at('outside', 'curl', '-sSf', '-g', '-m', '20', url)
  }

  counts(path: 'dials' | 'dials/drain'): Promise<DialCount[]>
  counts(path: 'streams' | 'streams/drain'): Promise<StreamCount[]>
  async counts(path: string): Promise<unknown[]> {
    return JSON.parse(await this.get(`http://127.0.0.1:${this.port}/${path}`)) as unknown[]
  }

  end(): void {
    this.child.kill('SIGKILL')
  }
}

/** Flags that make a workload hold short conversations with every target. */
export function dialFlags(targets: readonly Target[], everyMs: number): string[] {
  const flags = targets.flatMap(({protocol, address, port}) => ['--dial', `${protocol},${address},${port}`])
  return [...flags, '--dial-every', String(everyMs)]
}

/** Flags that make a workload keep one flow of numbers to every target. */
export function streamFlags(targets: readonly Target[], everyMs: number): string[] {
  const flags = targets.flatMap(({protocol, address, port}) => ['--stream', `${protocol},${address},${port}`])
  return [...flags, '--stream-every', String(everyMs)]
}

export interface Target {
  readonly protocol: 'tcp' | 'udp'
  readonly address: string
  readonly port: number
}

/** TCP and UDP on each address. */
export function targets(addresses: readonly string[], ports: {readonly tcp: number; readonly udp: number}): Target[] {
  return addresses.flatMap((address) =>
    (['tcp', 'udp'] as const).map((protocol) => ({protocol, address, port: ports[protocol]})),
  )
}

export function targetText({protocol, address, port}: Target): string {
  return `${protocol} ${address.includes(':') ? `[${address}]` : address}:${port}`
}
