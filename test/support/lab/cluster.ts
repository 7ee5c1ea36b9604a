/** A lab with the network installed, as a user would do it: through the commands, with the image that was built. */
import {existsSync} from 'node:fs'
import {execa} from 'execa'
import {labPaths} from '../../../src/lab/paths.ts'

const image = 'dist/image/cilium.tar'
export const imageName = 'cilium:0.1.0'

export interface Output {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** Waits until `check` gives a value that is not undefined. @throws with what it waited for */
export async function until<T>(what: string, timeoutMs: number, check: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const value = await check()
      if (value !== undefined) return value
    } catch (thrown) {
      last = thrown
    }
    if (Date.now() > deadline) throw new Error(`still waiting after ${timeoutMs} ms for ${what}`, {cause: last})
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

/** Tests of `cilium connectivity test` that need no policy, as `--test` names them. */
export const withoutPolicies = '^no-policies,^pod-to,^north-south,^local-redirect,^health'

export class Cluster {
  readonly name: string
  readonly kubeconfig: string

  constructor(name: string) {
    this.name = name
    this.kubeconfig = `/run/cilium-lab/${name}/kubeconfig`
  }

  /** Runs `cilium ...`; never throws for an exit code. */
  async cilium(...args: string[]): Promise<Output> {
    const done = await execa(process.execPath, ['bin/cilium.js', ...args], {
      env: {KUBECONFIG: this.kubeconfig, NO_COLOR: '1'},
      reject: false,
      stdin: 'ignore',
    })
    return {exitCode: done.exitCode ?? 1, stdout: done.stdout, stderr: done.stderr}
  }

  /** Runs `cilium ...` that must succeed. @throws with its output */
  async ciliumOk(...args: string[]): Promise<string> {
    const done = await this.cilium(...args)
    if (done.exitCode !== 0) {
      throw new Error(`cilium ${args.join(' ')} ended with ${done.exitCode}\n${done.stdout}\n${done.stderr}`)
    }
    return done.stdout
  }

  async kubectl(...args: string[]): Promise<string> {
    return await this.kubectlWith(undefined, ...args)
  }

  async kubectlWith(input: string | undefined, ...args: string[]): Promise<string> {
    const done = await execa(`${labPaths(this.name).data}/bin/kubectl`, ['--kubeconfig', this.kubeconfig, ...args], {
      ...(input === undefined ? {stdin: 'ignore' as const} : {input}),
    })
    return done.stdout
  }

  async apply(...objects: readonly object[]): Promise<void> {
    await this.kubectlWith(objects.map((object) => JSON.stringify(object)).join('\n---\n'), 'apply', '-f', '-')
  }

  /** Runs a command in a node's namespaces. */
  async at(node: string, ...command: string[]): Promise<string> {
    return await this.ciliumOk('lab', 'exec', '--name', this.name, node, '--', ...command)
  }

  async up(nodes: number, ...options: string[]): Promise<void> {
    if (!existsSync(image)) throw new Error(`${image} is missing: npm run image`)
    await this.ciliumOk('lab', 'up', '--name', this.name, '--nodes', String(nodes), ...options)
    await this.ciliumOk('lab', 'load', image, '--name', this.name)
  }

  async down(): Promise<void> {
    await this.ciliumOk('lab', 'down', '--name', this.name)
  }

  /** Kills the agent of a node at once, as a crash would. @returns false: there was none just then */
  async killAgent(node: string): Promise<boolean> {
    const done = await this.cilium(
      ...['lab', 'exec', '--name', this.name, node, '--', 'pkill', '-KILL', '-f', 'cilium-agent.js --config-dir'],
    )
    return done.exitCode === 0
  }

  /**
   * Kills the agent in the middle of a write: at the moment at which a pod's device of this node comes or goes.
   *
   * @param change makes a pod of the node come or go
   */
  async killAgentWhen(node: string, devices: 'more' | 'fewer', change: () => Promise<unknown>): Promise<void> {
    const count = 'ls /sys/class/net | grep -c ^lxc'
    const before = Number(await this.at(node, 'sh', '-c', `${count} || true`))
    const until = `[ "$(${count})" ${devices === 'more' ? '-gt' : '-lt'} ${before} ]`
    const kill = 'pkill -KILL -f "cilium-agen[t].js --config-dir"' // not this shell, which has the text, too
    const killed = this.at(node, 'timeout', '60', 'sh', '-c', `until ${until}; do :; done; ${kill}`)
    await change()
    await killed
  }

  /** Waits until the agent of each node, or of one, is ready. */
  async agentsReady(timeoutMs = 120_000): Promise<void> {
    await until('all agents to be ready', timeoutMs, async () => {
      const text = await this.kubectl('-n', 'kube-system', 'get', 'ds', 'cilium', '-o', 'jsonpath={.status}')
      const status = JSON.parse(text) as Record<string, number>
      const all = status['desiredNumberScheduled'] ?? 0
      return all > 0 && status['numberReady'] === all ? true : undefined
    })
  }

  /** Addresses of pods by name, IPv4 first, once all are running. */
  async podAddresses(namespace: string, selector: string): Promise<ReadonlyMap<string, PodAt>> {
    return await until(`pods ${selector} to run`, 120_000, async () => {
      const {items} = JSON.parse(
        await this.kubectl('-n', namespace, 'get', 'pods', '-l', selector, '-o', 'json'),
      ) as PodList
      const ready = items.every(({status}) => status.containerStatuses?.every((one) => one.ready))
      if (items.length === 0 || !ready) return undefined
      return new Map(
        items.map(({metadata, spec, status}) => [
          metadata.name,
          {node: spec.nodeName, addresses: (status.podIPs ?? []).map(({ip}) => ip)},
        ]),
      )
    })
  }
}

export interface PodAt {
  readonly node: string
  readonly addresses: readonly string[]
}

interface PodList {
  readonly items: readonly {
    readonly metadata: {readonly name: string}
    readonly spec: {readonly nodeName: string}
    readonly status: {
      readonly podIPs?: readonly {readonly ip: string}[]
      readonly containerStatuses?: readonly {readonly ready: boolean}[]
    }
  }[]
}

/** A pod of the test workload on a node. */
export function workloadPod(name: string, node: string, labels: Record<string, string>, ...flags: string[]): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {name, namespace: 'default', labels},
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 0,
      tolerations: [{operator: 'Exists'}],
      containers: [
        {
          name: 'workload',
          image: imageName,
          imagePullPolicy: 'Never',
          command: ['test-workload', '--http', '8080', ...flags],
          readinessProbe: {httpGet: {path: '/', port: 8080}, periodSeconds: 1},
        },
      ],
    },
  }
}
