/**
 * Drops of this node's pods as people should read them with `kubectl describe pod`: one a pod, peer, port and reason in a
 * span of time. A flood of drops is a look at columns and no more.
 */
import type {Endpoint, Flow} from '../../api/gen/flow.ts'
import {eventType} from '../../datapath/gen/enums.ts'
import {dropReasonProto} from '../../model/drop-reasons.ts'
import {identityText} from '../flow/flow-text.ts'
import type {EventPump} from './event-pump.ts'
import type {FlowBuilder} from './flow-builder.ts'

export interface DropNotice {
  readonly namespace: string
  readonly pod: string
  readonly message: string
}

export interface DropNoticeWishes {
  /** ms in which the same drop is told once */
  readonly intervalMs: number
  /** codes */
  readonly reasons: readonly number[]
}

/** drops that are remembered as told; the oldest are told again when there are more */
const rememberedMax = 4096
/** told in one look: nobody reads more, and the API server has other things to do */
const toldMax = 20
const ingress = 1

export class DropNotices {
  readonly #pump: EventPump
  readonly #builder: FlowBuilder
  readonly #reasons: ReadonlySet<number>
  readonly #intervalMs: number
  readonly #toldAt = new Map<string, number>()
  #next: number

  constructor(pump: EventPump, builder: FlowBuilder, {intervalMs, reasons}: DropNoticeWishes) {
    this.#pump = pump
    this.#builder = builder
    this.#reasons = new Set(reasons)
    this.#intervalMs = intervalMs
    this.#next = pump.store.next
  }

  /** What is to be told of the drops since the last look. @param now monotonic, ms */
  look(now: number): DropNotice[] {
    const {store} = this.#pump
    const {columns} = this.#builder
    const notices: DropNotice[] = []
    for (let sequence = Math.max(this.#next, store.oldest); sequence < store.next; sequence++) {
      const slot = store.slot(sequence)
      if (columns.type(slot) !== eventType.EVENT_DROP || !this.#reasons.has(columns.point(slot))) continue
      const direction = columns.direction(slot)
      const own = direction === ingress ? columns.destinationEndpoint(slot) : columns.sourceEndpoint(slot)
      if (own === 0 || notices.length >= toldMax) continue
      const address = columns.address(direction === ingress ? 'src' : 'dst').map((words) => words[slot])
      const port = columns.destinationPort(slot)
      const key = [own, direction, columns.point(slot), columns.protocol(slot), port, ...address].join()
      const before = this.#toldAt.get(key)
      if (before !== undefined && now - before < this.#intervalMs) continue
      const notice = noticeOf(this.#builder.build(sequence))
      if (notice === undefined) continue
      this.#remember(key, now)
      notices.push(notice)
    }
    this.#next = store.next
    return notices
  }

  #remember(key: string, now: number): void {
    this.#toldAt.delete(key)
    if (this.#toldAt.size >= rememberedMax) this.#toldAt.delete(this.#toldAt.keys().next().value!)
    this.#toldAt.set(key, now)
  }
}

/** Undefined when the pod's name is not known. */
function noticeOf(flow: Flow): DropNotice | undefined {
  const incoming = flow.traffic_direction === ingress
  const own = incoming ? flow.destination : flow.source
  const {namespace = '', pod_name: pod = ''} = own ?? {}
  if (pod === '') return undefined
  const reason = dropReasonProto(flow.drop_reason ?? 0).toLowerCase()
  const peer = incoming ? flow.source : flow.destination
  const other = peerText(peer, (incoming ? flow.IP?.source : flow.IP?.destination) ?? '')
  const what = protocolText(flow)
  const message = incoming
    ? `Incoming packet dropped (${reason}) from ${other} ${what}`
    : `Outgoing packet dropped (${reason}) to ${other} ${what}`
  return {namespace, pod, message}
}

function peerText(peer: Endpoint | undefined, ip: string): string {
  const {namespace = '', pod_name: pod = '', identity = 0} = peer ?? {}
  const name = pod === '' ? identityText(identity).replace(/^\((.*)\)$/, '$1') : `${namespace}/${pod}`
  return `${name} (${ip})`
}

function protocolText({l4}: Flow): string {
  const [name = 'unknown protocol', value] = Object.entries(l4 ?? {})[0] ?? []
  const port = (value as {destination_port?: number} | undefined)?.destination_port
  return port === undefined ? name : `${name}/${port}`
}
