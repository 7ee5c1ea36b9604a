/**
 * Finds a machine that is not in the cluster to test from: what --outside-exec names, a node that the network does not
 * manage, or the outside of the lab that this cluster is.
 */
import {spawn} from 'node:child_process'
import {text} from 'node:stream/consumers'
import {execInLab} from '../../lab/exec.ts'
import {apiUrl, type LabPlan, outsideAddresses} from '../../lab/plan.ts'
import {listLabs, readPlan} from '../../lab/state.ts'
import type {Family} from './options.ts'
import type {Peer} from './test.ts'
import type {CommandResult, ExecOptions, NodeObject} from './test-cluster.ts'

export type {LabPlan}

/** The lab of this machine whose API server this is. */
export function findLab(server: string): LabPlan | undefined {
  return listLabs()
    .map(readPlan)
    .find((plan) => apiUrl(plan) === server.replace(/\/$/, ''))
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

/** The namespace that stands for the Internet in a lab. Its router gets routes to the pods while the test runs. */
export async function labOutside(plan: LabPlan, nodes: readonly NodeObject[]): Promise<Peer & AsyncDisposable> {
  const routes = nodes.flatMap(podRoutes)
  for (const {cidr, via} of routes) await labCommand(plan, 'fabric', ['ip', 'route', 'replace', cidr, 'via', via])
  return {
    name: 'outside',
    addresses: {ipv4: outsideAddresses.main.ipv4, ipv6: outsideAddresses.main.ipv6},
    exec: async (command, {signal, timeoutMs}) => {
      const {stdout, stderr, status} = await execInLab(plan, 'outside', command, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      })
      return {stdout, stderr, exitCode: status ?? 1}
    },
    async [Symbol.asyncDispose]() {
      for (const {cidr, via} of routes) {
        await execInLab(plan, 'fabric', ['ip', 'route', 'del', cidr, 'via', via])
      }
    },
  }
}

/** The way to each pod CIDR of a node is through that node, family by family. */
export function podRoutes({spec, status}: NodeObject): {cidr: string; via: string}[] {
  const familyOf = (address: string): Family => (address.includes(':') ? 'ipv6' : 'ipv4')
  const internal = (status.addresses ?? []).filter(({type}) => type === 'InternalIP').map(({address}) => address)
  return (spec.podCIDRs ?? []).flatMap((cidr) => {
    const via = internal.find((address) => familyOf(address) === familyOf(cidr))
    return via === undefined ? [] : [{cidr, via}]
  })
}

async function labCommand(plan: LabPlan, place: string, command: readonly string[]): Promise<void> {
  const {status, stderr} = await execInLab(plan, place, command)
  if (status !== 0) throw new Error(`${command.join(' ')} in the lab's ${place}: ${stderr.trim()}`)
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
