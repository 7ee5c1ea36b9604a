/**
 * What no host policy can take from a node: the ports by which it can be repaired, and by which the cluster knows that
 * it is there. They are above every deny. Ports are for any peer, whose authentication is a matter of who listens there;
 * echo requests are for nodes alone, which probe each other by them.
 */
import {matchAll, type Selector} from '../model/selector.ts'
import {keyExists} from './options.ts'
import type {Direction, Port} from './rule.ts'

/** Ports of TCP, in host order. */
export interface FailsafeFacts {
  /** of the API server, as its service and our configuration name it */
  readonly apiServer: readonly number[]
  /** where agents answer each other's probes (`cluster-health-port`) */
  readonly health: number
}

/** In one direction. */
export interface FailsafePorts {
  readonly anybody: readonly Port[]
  readonly nodes: readonly Port[]
}

export type Failsafe = {readonly [D in Direction]: FailsafePorts}

export const noFailsafe: Failsafe = {ingress: {anybody: [], nodes: []}, egress: {anybody: [], nodes: []}}

/** Nodes and their health endpoints. */
export const failsafeNodes: readonly Selector[] = ['remote-node', 'health'].map((name) =>
  matchAll([keyExists(name, 'reserved')]),
)

const tcp = 6
const ssh = 22
const kubelet = 10_250
const echoes: readonly Port[] = [
  {kind: 'icmp', protocol: 1, type: 8},
  {kind: 'icmp', protocol: 58, type: 128},
]

/** What stays open in each direction of a node: its own ports on the way in, those of others on the way out. */
export function failsafePorts({apiServer, health}: FailsafeFacts): Failsafe {
  const ports = (numbers: readonly number[]) =>
    [...new Set(numbers)]
      .sort((a, b) => a - b)
      .map((port): Port => ({kind: 'range', protocol: tcp, first: port, last: port}))
  return {
    ingress: {anybody: ports([ssh, kubelet, health, ...apiServer]), nodes: echoes},
    egress: {anybody: ports([kubelet, health, ...apiServer]), nodes: echoes},
  }
}
