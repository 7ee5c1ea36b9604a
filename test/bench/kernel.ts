/** The kernel door: a system call, map operations, ring buffers, netlink, visits to other namespaces. */
import {buildBpf} from '../../scripts/build-bpf.ts'
import {createMap, type MapShape} from '../../src/kernel/bpf/map.ts'
import {mapTypes} from '../../src/kernel/bpf/map-types.ts'
import {loadObject} from '../../src/kernel/bpf/object.ts'
import {runSkbProgram} from '../../src/kernel/bpf/test-run.ts'
import {bytes, u64} from '../../src/kernel/codec.ts'
import {pageSize} from '../../src/kernel/libc.ts'
import {linkAdd, linkDelete, linkSet, listLinks} from '../../src/kernel/netlink/link.ts'
import {routeReplace} from '../../src/kernel/netlink/route.ts'
import {NetlinkSocket} from '../../src/kernel/netlink/socket.ts'
import {createNetns, deleteNetns, inNetns, openNetns} from '../../src/kernel/netns.ts'
import {RingBuffer} from '../../src/kernel/ring-buffer.ts'
import {Cidr} from '../../src/model/cidr.ts'
import type {BenchRow} from './rows.ts'

const rounds = 7

/** One figure a round; rounds of all figures are interleaved by the caller. */
interface Figure {
  readonly name: string
  readonly unit: string
  readonly note?: string
  run(): number
}

const elapsedNs = (work: () => void) => {
  const start = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - start)
}

const perCall = (name: string, calls: number, work: (i: number) => void, note?: string): Figure => ({
  name,
  unit: 'ns/call',
  ...(note === undefined ? {} : {note}),
  run: () =>
    elapsedNs(() => {
      for (let i = 0; i < calls; i++) work(i)
    }) / calls,
})

const hash: MapShape<Uint8Array, bigint> = {
  name: 'bench_hash',
  type: mapTypes.hash,
  maxEntries: 100_000,
  key: bytes(16),
  value: u64,
}

export default async function bench(): Promise<BenchRow[]> {
  const built = await buildBpf({
    from: new URL('../kernel/programs', import.meta.url).pathname,
    to: new URL('../../dist/test/kernel', import.meta.url).pathname,
  })
  const names = ['bench-kernel-node', 'bench-kernel-pod']
  for (const name of names) deleteNetns(name)
  const [node, pod] = names.map((name) => createNetns(name)) as [string, string]
  const podFd = openNetns({path: pod})
  const route = inNetns(node, () => new NetlinkSocket())
  route.run(linkSet(1, {up: true}))
  using object = loadObject(built.find(({object}) => object.endsWith('basic.o'))!.object, {
    maps: {kd_extra: {create: false}, kd_events: {maxEntries: 1 << 22}},
  })
  using map = createMap(hash)
  using ring = new RingBuffer(object.mapFd('kd_events'))
  const keys = Array.from({length: 100_000}, (_, i) => {
    const key = new Uint8Array(16)
    new DataView(key.buffer).setUint32(12, i)
    return key
  })
  const entries = keys.map((key, i) => [key, BigInt(i)] as const)

  try {
    const figures = [...callFigures(), ...netlinkFigures(), ringFigure()]
    const results = figures.map((): number[] => [])
    for (let round = 0; round < rounds; round++)
      for (const [i, figure] of figures.entries()) results[i]!.push(figure.run())
    return figures.map(({name, unit, note}, i) => row(name, unit, results[i]!, note))
  } finally {
    route.close()
    for (const name of names) deleteNetns(name)
  }

  function callFigures(): Figure[] {
    return [
      perCall('a call without work (getpagesize)', 100_000, () => pageSize()),
      perCall('map put', 20_000, (i) => map.put(keys[i]!, 1n)),
      perCall('map get', 20_000, (i) => void map.get(keys[i]!)),
      perCall('map delete', 20_000, (i) => void map.delete(keys[i]!)),
      {
        name: 'map putAll, 100 000 entries',
        unit: 'entries/s',
        run: () => (1e9 * entries.length) / elapsedNs(() => void map.putAll(entries)),
      },
      {
        name: 'map entries(), 100 000 entries',
        unit: 'entries/s',
        run: () => {
          let count = 0
          const ns = elapsedNs(() => {
            for (const _ of map.entries()) count++
          })
          return (1e9 * count) / ns
        },
      },
      {
        name: 'map visit(), 100 000 entries',
        unit: 'entries/s',
        run: () => {
          let sum = 0
          let count = 0
          const ns = elapsedNs(() => {
            count = map.visit((_keys, _keyOffset, values, offset) => {
              sum += values.getUint32(offset, true)
            })
          })
          return sum === 0 ? 0 : (1e9 * count) / ns
        },
      },
      perCall('visit to a namespace and back', 5_000, () => void inNetns(podFd, () => 1)),
    ]
  }

  function netlinkFigures(): Figure[] {
    let made = 0
    return [
      {
        name: 'pod device: veth with its end in the pod, up, and deleted',
        unit: 'us',
        run: () => {
          const ifindex = 5000 + made++
          const ns = elapsedNs(() => {
            route.run(linkAdd({kind: 'veth', name: `v${ifindex}`, ifindex, peer: {name: `e${ifindex}`, netns: podFd}}))
            route.run(linkSet(ifindex, {up: true}))
          })
          route.run(linkDelete(ifindex))
          return ns / 1000
        },
        note: 'without the deletion',
      },
      {
        name: 'route replace, one message',
        unit: 'us',
        run: () => elapsedNs(() => route.run(routeReplace({destination: Cidr.of('10.1.0.0/24'), ifindex: 1}))) / 1000,
      },
      {
        name: 'route replace, 1 000 in batches',
        unit: 'us/route',
        run: () => {
          const requests = Array.from({length: 1000}, (_, i) =>
            routeReplace({destination: Cidr.of(`10.${i >> 8}.${i & 255}.0/24`), ifindex: 1}),
          )
          return elapsedNs(() => route.runAll(requests)) / 1e6
        },
      },
      perCall('list devices', 200, () => void listLinks(route)),
    ]
  }

  function ringFigure(): Figure {
    return {
      name: 'ring buffer, records of 16 bytes read in TypeScript',
      unit: 'records/s',
      note: 'reading alone',
      run: () => {
        const fd = object.program('basic_emit').fd
        let emitted = 0
        for (let i = 0; i < 300; i++) emitted += runSkbProgram(fd, new Uint8Array(64), {mark: 500}).result
        let sum = 0
        let count = 0
        const ns = elapsedNs(() => {
          count = ring.poll((view, offset) => {
            sum += view.getUint32(offset + 8, true)
          })
        })
        if (count !== emitted || sum === 0) throw new Error(`${emitted} records were emitted, ${count} read`)
        return (1e9 * count) / ns
      },
    }
  }
}

function row(name: string, unit: string, values: readonly number[], note: string | undefined): BenchRow {
  const sorted = [...values].sort((a, b) => a - b)
  return {
    name,
    unit,
    median: sorted[Math.floor(sorted.length / 2)]!,
    min: sorted[0]!,
    max: sorted.at(-1)!,
    runs: sorted.length,
    ...(note === undefined ? {} : {note}),
  }
}
