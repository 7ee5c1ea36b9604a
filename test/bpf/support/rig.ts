/**
 * An object loaded in a network namespace of its own, with devices of fixed index: programs are run on packets and say
 * what they would have done with them.
 */

import {dropReasonNames, testAction, testActionNames} from '../../../src/datapath/gen/enums.ts'
import {type TestRecord, testRecordCodec, testRecordZero} from '../../../src/datapath/gen/types.ts'
import type {BpfMap, MapShape} from '../../../src/kernel/bpf/map.ts'
import {mapTypes} from '../../../src/kernel/bpf/map-types.ts'
import {type LoadedObject, loadObject, type ObjectSettings} from '../../../src/kernel/bpf/object.ts'
import {runSkbProgram, runXdpProgram, type SkbContext} from '../../../src/kernel/bpf/test-run.ts'
import {u32} from '../../../src/kernel/codec.ts'
import {addressReplace} from '../../../src/kernel/netlink/address.ts'
import {linkAdd, linkSet} from '../../../src/kernel/netlink/link.ts'
import {NetlinkSocket} from '../../../src/kernel/netlink/socket.ts'
import {createNetns, deleteNetns, inNetns} from '../../../src/kernel/netns.ts'
import {Ip} from '../../../src/model/ip.ts'
import {Mac} from '../../../src/model/mac.ts'
import {Packet} from './packet.ts'

export interface RigDevice {
  readonly name: string
  readonly ifindex: number
  readonly mac?: string
  /** 'address/length' */
  readonly addresses?: readonly string[]
  readonly mtu?: number
}

export interface RigSettings extends ObjectSettings {
  /** the namespace is called bpf-NAME */
  readonly name: string
  /** path of the object file */
  readonly object: string
  readonly devices?: readonly RigDevice[]
}

type ActionName = 'none' | 'pass' | 'drop' | 'redirect' | 'peer' | 'neighbour' | 'transmit'

/** What a program did with a packet. */
export interface Verdict {
  /** what it returned to the kernel */
  readonly result: number
  /** what it noted in the test record */
  readonly action: ActionName
  /** where to, of a redirect; else 0 */
  readonly ifindex: number
  /** name of enum drop_reason, '' when it was not dropped */
  readonly reason: string
  readonly extError: number
  /** remote node and identity, when a tunnel was set */
  readonly tunnel: {readonly remote: string; readonly identity: number} | undefined
  readonly mark: number
  readonly cb: readonly number[]
  /** the packet afterwards */
  readonly packet: Uint8Array
  readonly durationNs: number
}

const testRecords: MapShape<number, TestRecord> = {
  name: 'cilium_test',
  type: mapTypes.array,
  maxEntries: 1,
  key: u32,
  value: testRecordCodec,
}

export class Rig {
  readonly path: string
  readonly route: NetlinkSocket
  readonly object: LoadedObject
  readonly #namespace: string
  readonly #record: BpfMap<number, TestRecord> | undefined

  constructor(settings: RigSettings) {
    this.#namespace = `bpf-${settings.name}`
    deleteNetns(this.#namespace)
    this.path = createNetns(this.#namespace)
    this.route = inNetns(this.path, () => new NetlinkSocket())
    this.route.run(linkSet(1, {up: true}))
    for (const device of settings.devices ?? []) this.addDevice(device)
    this.object = this.inside(() => loadObject(settings.object, settings))
    this.#record = this.object.maps.has(testRecords.name) ? this.object.map(testRecords) : undefined
  }

  /** Makes a veth with this index; its other end is called NAME_peer and is up. */
  addDevice(device: RigDevice): void {
    const peer = `${device.name}_peer`
    // both indexes are ours: the peer's must not take a number that a later device wants
    const peerIfindex = 1_000_000 + device.ifindex
    this.route.runAll([
      linkAdd({
        kind: 'veth',
        name: device.name,
        ifindex: device.ifindex,
        ...(device.mac === undefined ? {} : {mac: Mac.of(device.mac)}),
        ...(device.mtu === undefined ? {} : {mtu: device.mtu}),
        peer: {name: peer, ifindex: peerIfindex},
      }),
      linkSet(peerIfindex, {up: true}),
      linkSet(device.ifindex, {up: true}),
      ...(device.addresses ?? []).map((text) => {
        const [address = '', length] = text.split('/')
        return addressReplace({ifindex: device.ifindex, ip: Ip.of(address), prefixLength: Number(length)})
      }),
    ])
  }

  /** Does synchronous work in the rig's namespace. */
  inside<T>(work: () => T extends PromiseLike<unknown> ? never : T): T {
    return inNetns(this.path, work)
  }

  /** Runs a tc program. The record is cleared before: what an earlier run noted is never read. */
  run(
    program: string,
    packet: Packet | Uint8Array,
    context: SkbContext = {},
    options: {repeat?: number} = {},
  ): Verdict {
    const bytes = packet instanceof Packet ? packet.bytes : packet
    const {fd} = this.object.program(program)
    this.#record?.put(0, testRecordZero)
    const run = this.inside(() => runSkbProgram(fd, bytes, context, options))
    return {
      ...this.#noted(),
      result: run.result,
      mark: run.mark,
      cb: run.cb,
      packet: run.packet,
      durationNs: run.durationNs,
    }
  }

  /** Runs an XDP program. */
  runXdp(program: string, packet: Packet | Uint8Array, ifindex = 0): Verdict {
    const bytes = packet instanceof Packet ? packet.bytes : packet
    const {fd} = this.object.program(program)
    this.#record?.put(0, testRecordZero)
    const run = this.inside(() => runXdpProgram(fd, bytes, {ingressIfindex: ifindex}))
    return {...this.#noted(), result: run.result, mark: 0, cb: [], packet: run.packet, durationNs: run.durationNs}
  }

  /** A typed map of the object; the caller closes it. */
  map<K, V>(shape: MapShape<K, V>): BpfMap<K, V> {
    return this.object.map(shape)
  }

  close(): void {
    this.#record?.close()
    this.object.close()
    this.route.close()
    deleteNetns(this.#namespace)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #noted(): Pick<Verdict, 'action' | 'ifindex' | 'reason' | 'extError' | 'tunnel'> {
    const record = this.#record?.get(0) ?? testRecordZero
    const name = testActionNames.get(record.action) ?? 'TEST_NONE'
    return {
      action: name.replace('TEST_', '').toLowerCase() as ActionName,
      ifindex: record.ifindex,
      reason: record.action === testAction.TEST_DROP ? (dropReasonNames.get(record.reason) ?? `${record.reason}`) : '',
      extError: record.extError,
      tunnel: record.tunnel.some((byte) => byte !== 0)
        ? {remote: Ip.fromBytes(record.tunnel).toString(), identity: record.tunnelId}
        : undefined,
    }
  }
}
