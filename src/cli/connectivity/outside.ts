/**
 * Finds a machine that is not in the cluster to test from: what --outside-exec names, a node that the network does not
 * manage, or the outside of the lab that this cluster is.
 */
import {spawn} from 'node:child_process'
import {text} from 'node:stream/consumers'
import {execInLab} from '../../lab/exec.ts'
import {apiUrl, type LabPlan, outsideAddresses, places} from '../../lab/plan.ts'
import {listPlans} from '../../lab/state.ts'
import {fail} from '../../runtime/errors.ts'
import {TEST_PROBE_FAILED} from './errors.ts'
import type {Family} from './options.ts'
import type {OutsidePeer, Peer} from './test.ts'
import type {CommandResult, ExecOptions, NodeObject} from './test-cluster.ts'

export type {LabPlan}

/** The lab of this machine whose API server this is. */
export function findLab(server: string): LabPlan | undefined {
  return listPlans().find((plan) => apiUrl(plan) === server.replace(/\/$/, ''))
}

/** A machine that commands reach through a prefix such as `ssh host` or `cilium lab exec outside --`. */
export function commandPeer(prefix: readonly string[]): Peer {
  return {
    name: 'outside',
    // which families it has shows when it talks
    addresses: {ipv4: '', ipv6: ''},
    exec: (command, options) => runHere([...prefix, ...command], options),
  }
}

/** The namespace that stands for the Internet in a lab. */
export function labOutside(plan: LabPlan, nodes: readonly NodeObject[]): OutsidePeer {
  return {
    name: 'outside',
    addresses: {ipv4: outsideAddresses.main.ipv4, ipv6: outsideAddresses.main.ipv6},
    exec: async (command, {signal, timeoutMs}) => {
      const {stdout, stderr, status} = await execInLab(plan, places.outside, command, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      })
      return {stdout, stderr, exitCode: status ?? 1}
    },
    openRoutes: () => openRoutes(plan, nodes.flatMap(podRoutes)),
  }
}

/** The lab's router sends packets for pods to their nodes, and the outside sends them to the router. */
async function openRoutes(plan: LabPlan, routes: readonly PodRoute[]): Promise<AsyncDisposable> {
  const opened = new AsyncDisposableStack()
  try {
    for (const {cidr, via} of routes) {
      const {gateway} = outsideAddresses
      const steps = [
        [places.fabric, cidr, via],
        [places.outside, cidr, cidr.includes(':') ? gateway.ipv6 : gateway.ipv4],
      ] as const
      for (const [place, to, router] of steps) {
        await labRoute(plan, place, 'replace', to, router)
        opened.defer(() => labRoute(plan, place, 'del', to, router))
      }
    }
  } catch (thrown) {
    await opened.disposeAsync()
    throw thrown
  }
  return opened
}

interface PodRoute {
  readonly cidr: string
  readonly via: string
}

/** The way to each pod CIDR of a node is through that node, family by family. */
export function podRoutes({spec, status}: NodeObject): PodRoute[] {
  const familyOf = (address: string): Family => (address.includes(':') ? 'ipv6' : 'ipv4')
  const internal = (status.addresses ?? []).filter(({type}) => type === 'InternalIP').map(({address}) => address)
  return (spec.podCIDRs ?? []).flatMap((cidr) => {
    const via = internal.find((address) => familyOf(address) === familyOf(cidr))
    return via === undefined ? [] : [{cidr, via}]
  })
}

async function labRoute(plan: LabPlan, place: string, verb: string, cidr: string, via: string): Promise<void> {
  const command = ['ip', 'route', verb, cidr, 'via', via]
  const {status, stderr} = await execInLab(plan, place, command)
  if (status !== 0) {
    fail(TEST_PROBE_FAILED, {command: command.join(' '), pod: `the lab's ${place}`, detail: stderr.trim()})
  }
}

async function runHere(argv: readonly string[], {signal, timeoutMs}: ExecOptions): Promise<CommandResult> {
  const [program, ...args] = argv
  const child = spawn(program!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  })
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
  const [exitCode, stdout, stderr] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  return {stdout, stderr, exitCode}
}
