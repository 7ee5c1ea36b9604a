/** Generations of programs: loaded beside each other, sharing state, switched on live devices without a gap. */
import {execFileSync} from 'node:child_process'
import {copyFileSync, existsSync, mkdirSync, readdirSync, rmSync} from 'node:fs'
import {join, resolve} from 'node:path'
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {buildBpf} from '../../scripts/build-bpf.ts'
import {Attachments, hasTcx} from '../../src/datapath/attach.ts'
import {enableDefrag} from '../../src/datapath/defrag.ts'
import {EventStream} from '../../src/datapath/events.ts'
import {addressFlags, ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {ciliumIpcache, ciliumLxc, ciliumTimer} from '../../src/datapath/gen/maps.ts'
import {addressZero, type Config, configCodec, endpointZero} from '../../src/datapath/gen/types.ts'
import {type Generation, openGeneration} from '../../src/datapath/generation.ts'
import {openEndpoints, openEpoch, pinnedMaps, readFlows} from '../../src/datapath/maps/open.ts'
import {listGenerations, pinPaths} from '../../src/datapath/pins.ts'
import {readProgramInfo} from '../../src/kernel/bpf/info.ts'
import {queryPrograms} from '../../src/kernel/bpf/link.ts'
import {BpfMap} from '../../src/kernel/bpf/map.ts'
import {runSkbProgram} from '../../src/kernel/bpf/test-run.ts'
import {linkAdd, linkSet} from '../../src/kernel/netlink/link.ts'
import {NetlinkSocket} from '../../src/kernel/netlink/socket.ts'
import {createNetns, deleteNetns, inNetns} from '../../src/kernel/netns.ts'
import {Mac} from '../../src/model/mac.ts'
import {eventually} from '../support/eventually.ts'
import {ownFolder, ownNamespace} from '../support/own-names.ts'
import {addr, defaultConfig} from './node.ts'
import {udp} from './support/packet.ts'

const root = resolve(import.meta.dirname, '../..')
const namespace = ownNamespace('generation')
let bpffs: string
let objects: string
let netns: string
let socket: NetlinkSocket
let pins: string
let run = 0
const open: Generation[] = []

beforeAll(async () => {
  await buildBpf({from: `${root}/bpf`, to: `${root}/dist/bpf`})
  bpffs = ownFolder('bpffs')
  execFileSync('mount', ['-t', 'bpf', 'bpf', bpffs])
  objects = ownFolder('objects')
  for (const file of readdirSync(`${root}/dist/bpf`))
    if (file.endsWith('.o')) copyFileSync(`${root}/dist/bpf/${file}`, join(objects, file))
  netns = createNetns(namespace)
  socket = inNetns(netns, () => new NetlinkSocket())
  socket.runAll([
    linkSet(1, {up: true}),
    linkAdd({kind: 'veth', name: 'lxc1', ifindex: 4097, peer: {name: 'pod1', ifindex: 5097}}),
    linkSet(5097, {up: true}),
    linkSet(4097, {up: true}),
  ])
})
afterAll(() => {
  socket?.close()
  deleteNetns(namespace)
  if (bpffs) execFileSync('umount', [bpffs])
  for (const folder of [bpffs, objects]) if (folder) rmSync(folder, {recursive: true, force: true})
})
beforeEach(() => {
  pins = join(bpffs, `run${++run}`)
  mkdirSync(pins)
})
afterEach(() => {
  for (const generation of open.splice(0)) generation.close()
  rmSync(pins, {recursive: true, force: true})
})

function load(change: Partial<Config> = {}): Generation {
  const config = (generation: number) => {
    const bytes = new Uint8Array(configCodec.size)
    configCodec.encode({...defaultConfig, test: 0, ...change, generation}, new DataView(bytes.buffer), 0)
    return bytes
  }
  const generation = inNetns(netns, () => openGeneration({root: pins, objects, config}))
  open.push(generation)
  return generation
}

/** Rows for a pod in slot 1 that talks to its node. */
function populate(generation: Generation): void {
  using endpoints = new BpfMap(generation.map('cilium_lxc'), ciliumLxc)
  using addresses = new BpfMap(generation.map('cilium_ipcache'), ciliumIpcache)
  endpoints.put(1, {
    ...endpointZero,
    ifindex: 4097,
    identity: 1001,
    id: 1,
    generation: 1,
    egressSet: ruleSetNumber.SET_OPEN,
    v4: addr('10.0.1.10'),
    mac: Mac.of('02:00:00:00:aa:01').toBytes(),
    nodeMac: Mac.of('02:00:00:00:aa:02').toBytes(),
  })
  addresses.put(addr('192.168.0.1'), {...addressZero, identity: 1, flags: addressFlags.ADDRESS_LOCAL_HOST})
}

const packet = udp('10.0.1.10:4000', '192.168.0.1:53').mac('02:00:00:00:aa:01', '02:00:00:00:aa:02').bytes
const send = (generation: Generation) =>
  inNetns(netns, () => runSkbProgram(generation.program('cil_from_container'), packet, {ifindex: 4097}).result)

describe('a generation', () => {
  test('is pinned whole, found again by the next agent, and keeps its maps', () => {
    const first = load()
    populate(first)

    const again = load()

    expect([first.fresh, again.fresh]).toEqual([true, false])
    expect(again.name).toEqual(first.name)
    expect(listGenerations(pins)).toEqual([first.name])
    expect(openEndpoints(pinnedMaps(pins)).get(1)?.identity).toBe(1001)
    expect(send(again)).toBe(0)
  })

  test('that was cut short is made anew', () => {
    const first = load()
    rmSync(join(pinPaths.generation(pins, first.name), 'maps', 'cilium_devices'))

    const second = load()

    expect(second.fresh).toBe(true)
    expect(second.name.number).toBe(2)
  })

  test('is checked by itself: flows that the check before has left are of another time', () => {
    load()
    using epoch = openEpoch(pinnedMaps(pins))
    epoch.put(0, (epoch.get(0) ?? 0) + 1)

    expect(load({podMtu: 1400}).name.number).toBe(2)
  })

  test('with another configuration stands beside the first: its own rows, the same flows', () => {
    const first = load()
    populate(first)
    expect(send(first)).toBe(0)

    const second = load({podMtu: 1400})

    expect(second.name.number).toBe(2)
    // nothing passes before the agent has filled its maps
    expect(send(second)).toBe(2)
    populate(second)
    expect(send(second)).toBe(0)
    const flows = [...readFlows(pinnedMaps(pins))].filter(([key]) => key.sport === 4000)
    expect(flows.map(([, flow]) => flow.packets)).toEqual([2])
    expect(send(first)).toBe(0)

    expect(second.complete(() => {})).toBe(1)
    expect(listGenerations(pins)).toEqual([second.name])
  })

  test('keeps the number of shards that flows were spread over', () => {
    load({flowShards: 16})
    const second = load({flowShards: 64})
    populate(second)

    expect(send(second)).toBe(0)
    expect([...readFlows(pinnedMaps(pins))].some(([key]) => key.sport === 4000)).toBe(true)
    using timer = new BpfMap(pinnedMaps(pins)('cilium_timer'), ciliumTimer)
    expect(timer.get(0)?.clock.shards).toBe(16)
  })

  test('leaves nothing behind when it is refused', () => {
    const first = load()
    copyFileSync(join(objects, 'overlay.o'), join(objects, 'overlay.bak'))
    try {
      copyFileSync(join(objects, 'abi.o'), join(objects, 'overlay.o'))
      expect(() => load()).toThrow()
    } finally {
      copyFileSync(join(objects, 'overlay.bak'), join(objects, 'overlay.o'))
      rmSync(join(objects, 'overlay.bak'))
    }

    expect(readdirSync(join(pins, 'generations'))).toEqual([`1_${first.name.fingerprint}_v${first.name.layout}`])
    expect(load().fresh).toBe(false)
  })
})

describe('without any process', () => {
  test('the timer expires flows', async () => {
    const generation = load({timerIntervalMs: 20, flowShards: 2, anyOpeningS: 1, tcpOpeningS: 1})
    populate(generation)
    send(generation)
    const count = () => [...readFlows(pinnedMaps(pins))].length
    expect(count()).toBeGreaterThan(0)
    open.splice(0)[0]!.close()

    await eventually(() => count() === 0, 10_000)
  })

  test('events wait in their ring', () => {
    const generation = load()
    populate(generation)
    const stream = new EventStream(pinnedMaps(pins))
    stream.poll(() => {})
    const before = stream.counts()

    send(generation)
    send(generation)
    let length = 0
    const handed = stream.poll((_, __, bytes) => {
      length = bytes
    })

    // the second packet of the flow is aggregated away
    expect(handed).toBe(1)
    expect(length).toBe(120)
    expect(stream.counts()).toEqual({written: before.written + 1, lost: before.lost})
    stream.close()
  })
})

describe.each(['tcx', 'tc'] as const)('hooks by %s', (mode) => {
  const hook = {ifindex: 4097, direction: 'ingress'} as const
  const attachments = () => new Attachments(pins, mode, socket)

  test('get a program, the next one in its place, and are let go', () => {
    const first = load()
    const second = load({podMtu: 1400})
    inNetns(netns, () => {
      attachments().attach(hook, first.program('cil_from_container'))
      expect(attachments().isAttached(hook)).toBe(true)
      attachments().attach(hook, first.program('cil_from_container'))
      attachments().attach(hook, second.program('cil_from_container'))
    })

    if (mode === 'tcx') {
      const attached = inNetns(netns, () => queryPrograms(4097, 'tcx_ingress'))
      expect(attached.map(({programId}) => programId)).toEqual([
        readProgramInfo(second.program('cil_from_container')).id,
      ])
      expect(existsSync(pinPaths.link(pins, 4097, 'ingress'))).toBe(true)
    }
    inNetns(netns, () => attachments().detach(hook))
    inNetns(netns, () => attachments().detach(hook))
    expect(inNetns(netns, () => attachments().isAttached(hook))).toBe(false)
  })
})

test('a pin whose device is gone is replaced and pruned', () => {
  const generation = load()
  const attachments = new Attachments(pins, 'tcx', socket)
  const device = {kind: 'veth', name: 'lxc2', ifindex: 4098, peer: {name: 'pod2', ifindex: 5098}} as const
  const program = generation.program('cil_from_container')
  inNetns(netns, () => {
    socket.run(linkAdd(device))
    attachments.attach({ifindex: 4098, direction: 'ingress'}, program)
    execFileSync('ip', ['-n', namespace, 'link', 'del', 'lxc2'])
    socket.run(linkAdd(device))
    attachments.attach({ifindex: 4098, direction: 'ingress'}, program)
    expect(queryPrograms(4098, 'tcx_ingress')).toHaveLength(1)
    execFileSync('ip', ['-n', namespace, 'link', 'del', 'lxc2'])
    expect(attachments.prune(new Set([1, 4097]))).toBe(1)
    expect(readdirSync(join(pins, 'links'))).toEqual([])
  })
})

test('the kernel is asked what it has by trying', () => {
  const generation = load()

  expect(hasTcx(generation.program('cil_from_container'))).toBe(true)
  const pinAt = (family: string) => join(pins, `defrag_${family}`)
  expect(inNetns(netns, () => enableDefrag(pinAt))).toBe(true)
  expect(inNetns(netns, () => enableDefrag(pinAt))).toBe(true)
  expect(existsSync(pinAt('v4')) && existsSync(pinAt('v6'))).toBe(true)
})
