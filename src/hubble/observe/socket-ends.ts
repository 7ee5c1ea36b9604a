/**
 * Events of sockets are written before the socket has an address: the programs tell only in which network namespace the
 * process is. Who that is gets filled in when the event arrives, so that filters find it in the columns as they find
 * everything.
 */
import {eventFlags, eventType, sourceFile} from '../../datapath/gen/enums.ts'
import {eventOffsets as at} from '../../datapath/gen/types.ts'
import {Ip} from '../../model/ip.ts'
import type {FlowNames} from '../flow/names.ts'
import type {FlowStore} from './flow-store.ts'

type Words = readonly Uint32Array[]

export class SocketEnds {
  readonly #names: FlowNames
  readonly #typeWord: Uint32Array
  readonly #fileWord: Uint32Array
  readonly #flagsWord: Uint32Array
  readonly #endpoints: Uint32Array
  readonly #sourceIdentity: Uint32Array
  readonly #destinationIdentity: Uint32Array
  readonly #source: Words
  readonly #destination: Words
  readonly #process: Words

  constructor(store: FlowStore, names: FlowNames) {
    const address = (offset: number): Words => [0, 4, 8, 12].map((more) => store.column(offset + more))
    this.#names = names
    this.#typeWord = store.column(at.type)
    this.#fileWord = store.column(at.file)
    this.#flagsWord = store.column(at.flags)
    this.#endpoints = store.column(at.srcEndpoint)
    this.#sourceIdentity = store.column(at.srcIdentity)
    this.#destinationIdentity = store.column(at.dstIdentity)
    this.#source = address(at.src)
    this.#destination = address(at.dst)
    this.#process = address(at.orig)
  }

  /** Completes the event in a slot, when it is one of a socket. Fits `FlowStore.complete`. */
  readonly complete = (slot: number): void => {
    if (((this.#fileWord[slot]! >>> ((at.file & 3) * 8)) & 0xff) !== sourceFile.FILE_SOCK) return
    const type = (this.#typeWord[slot]! >>> ((at.type & 3) * 8)) & 0xff
    const flags = (this.#flagsWord[slot]! >>> ((at.flags & 3) * 8)) & 0xffff
    const back = type === eventType.EVENT_SOCKET && (flags & eventFlags.EVENT_REPLY) !== 0
    this.#completePeer(slot, back)
    const owner = this.#names.process(BigInt(this.#process[0]![slot]!) | (BigInt(this.#process[1]![slot]!) << 32n))
    if (owner === undefined) return
    const family = (flags & eventFlags.EVENT_IPV6) === 0 ? 4 : 6
    const ip = owner.ips.map((text) => Ip.of(text)).find((one) => one.family === family)
    if (ip !== undefined) write(back ? this.#destination : this.#source, slot, ip)
    const identities = back ? this.#destinationIdentity : this.#sourceIdentity
    if (owner.identity !== 0) identities[slot] = owner.identity
    // source in the lower half, destination in the upper
    this.#endpoints[slot] = back ? owner.endpoint << 16 : owner.endpoint
  }

  #completePeer(slot: number, back: boolean): void {
    const identities = back ? this.#sourceIdentity : this.#destinationIdentity
    if (identities[slot] === 0)
      identities[slot] = this.#names.identityOf(String(read(back ? this.#source : this.#destination, slot)))
  }
}

function read(words: Words, slot: number): Ip {
  return Ip.fromBytes(new Uint8Array(Uint32Array.of(...words.map((column) => column[slot]!)).buffer))
}

function write(words: Words, slot: number, ip: Ip): void {
  const parts = new Uint32Array(Uint8Array.from(ip.toMappedBytes()).buffer)
  for (const [index, column] of words.entries()) column[slot] = parts[index]!
}
