/** Answers the calls of the runtime. */
import {type CniAnswer, type CniMessage, type CniResult, resultDocument} from '../../api/cni.ts'
import {Cidr} from '../../model/cidr.ts'
import type {Clock} from '../../runtime/clock.ts'
import {CiliumError, fail, hasCode} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {Counter, Histogram} from '../../runtime/metrics.ts'
import type {Connections, PodNetwork} from '../endpoint/connections.ts'
import {codes} from '../errors.ts'
import type {EndpointRow} from '../state/rows.ts'
import {type CniCall, errorAnswer, parseCall, versionOf} from './call.ts'

export interface CniCallsOptions {
  readonly connections: Connections
  readonly network: () => PodNetwork
  /** why no pod can be connected now; undefined: one can */
  readonly unready: () => string | undefined
  /** tells the owner of a pod that it waits */
  readonly warn: (pod: CniCall['pod'], reason: string, message: string) => void
  readonly clock: Clock
  readonly log: Log
  readonly metrics?: {readonly calls: Counter; readonly duration: Histogram}
}

/** Pods that may be connected at the same time; more have to try again. */
const maxWaiting = 256

export class CniCalls {
  private readonly options: CniCallsOptions
  private readonly log: Log
  private waiting = 0

  constructor(options: CniCallsOptions) {
    this.options = options
    this.log = options.log.for('cni')
  }

  /** The answer to a message. What is wrong with the call is part of the answer. */
  async answer(message: CniMessage, signal: AbortSignal): Promise<CniAnswer> {
    const began = this.options.clock.monotonic()
    let command = message.variables['CNI_COMMAND'] ?? ''
    let outcome = 'success'
    try {
      const call = parseCall(message)
      command = call.command
      return {exitCode: 0, text: await this.serve(call, signal)}
    } catch (thrown) {
      outcome = 'fail'
      const error = CiliumError.from(thrown)
      this.log.warn('call failed', {command, container: message.variables['CNI_CONTAINERID'], error}, {per: error.code})
      return {exitCode: 1, text: errorAnswer(versionOf(message.input), error)}
    } finally {
      const {metrics, clock} = this.options
      metrics?.calls.labels(/^[A-Z]{1,8}$/.test(command) ? command : 'other', outcome).inc()
      metrics?.duration.labels(command).observe((clock.monotonic() - began) / 1000)
    }
  }

  private async serve(call: CniCall, signal: AbortSignal): Promise<string> {
    switch (call.command) {
      case 'ADD':
        return resultDocument(call.version, resultOf(await this.add(call, signal), this.options.network()))
      case 'DEL':
        await this.options.connections.remove(call.containerId, call.ifname)
        return ''
      case 'CHECK':
        this.options.connections.check(call)
        return ''
      case 'GC':
        await this.options.connections.collect(call.validAttachments!)
        return ''
      case 'STATUS':
        return this.status()
    }
  }

  private async add(call: CniCall, signal: AbortSignal): Promise<EndpointRow> {
    const unready = this.options.unready()
    if (unready !== undefined || this.waiting >= maxWaiting) fail(codes.CNI_BUSY, {waiting: this.waiting})
    this.waiting++
    try {
      return await this.options.connections.add(call, signal)
    } catch (thrown) {
      const waits = [codes.IPAM_EXHAUSTED, codes.ENDPOINT_SLOTS_EXHAUSTED, codes.IDENTITY_EXHAUSTED]
      const code = waits.find((one) => hasCode(thrown, one))
      if (code !== undefined) this.options.warn(call.pod, code, (thrown as CiliumError).message)
      throw thrown
    } finally {
      this.waiting--
    }
  }

  /** @throws CNI_NOT_AVAILABLE, code 50 of the specification */
  private status(): string {
    const detail = this.options.unready()
    if (detail !== undefined) fail(codes.CNI_NOT_AVAILABLE, {detail})
    return ''
  }
}

/** Addresses of a pod as a runtime wants to know them: the second interface is the pod's own. */
function resultOf(row: EndpointRow, network: PodNetwork): CniResult {
  const ips = [row.ipv4, row.ipv6].filter((ip) => ip !== undefined)
  const routers = network.routerIps.filter((router) => ips.some((ip) => ip.family === router.family))
  const gateway = (family: 4 | 6) => routers.find((router) => router.family === family)?.toString()
  return {
    interfaces: [
      {name: row.hostDevice, mac: String(row.hostMac), mtu: network.mtu},
      {name: row.ifname, mac: String(row.mac), mtu: network.mtu, sandbox: row.netns},
    ],
    ips: ips.map((ip) => {
      const router = gateway(ip.family)
      return {address: String(Cidr.host(ip)), interface: 1, ...(router === undefined ? {} : {gateway: router})}
    }),
    routes: routers.flatMap((router) => [
      {dst: String(Cidr.host(router))},
      {dst: String(Cidr.from(router, 0)), gw: String(router), mtu: network.routeMtu},
    ]),
  }
}
