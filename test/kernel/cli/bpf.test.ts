/** `cilium-dbg bpf` on real pinned maps, with no agent anywhere. */
import {mkdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'
import {STATE_LAYOUT} from '../../../src/datapath/gen/constants.ts'
import {flowFlags} from '../../../src/datapath/gen/enums.ts'
import {
  ciliumBackends,
  ciliumFlows,
  ciliumFlowsInner,
  ciliumIpcache,
  ciliumIpcacheP,
  ciliumLb,
  ciliumLbLists,
  ciliumLbMaglev,
  ciliumLbMaglevInner,
  ciliumLbRanges,
  ciliumLxc,
  ciliumMetrics,
} from '../../../src/datapath/gen/maps.ts'
import {addressZero, endpointZero, flowZero, frontendZero} from '../../../src/datapath/gen/types.ts'
import {pinPaths} from '../../../src/datapath/pins.ts'
import {ensureBpfFileSystem} from '../../../src/kernel/bpf/file-system.ts'
import {type BpfMap, createMap, type MapShape} from '../../../src/kernel/bpf/map.ts'
import {pin} from '../../../src/kernel/bpf/pin.ts'
import {possibleCpus} from '../../../src/kernel/cpus.ts'
import {unmountFileSystem} from '../../../src/kernel/libc.ts'
import {Ip} from '../../../src/model/ip.ts'
import {runProgram} from '../../cli/support/program.ts'

const mountPoint = '/run/cli-bpffs'
const root = join(mountPoint, 'cilium')
const state = pinPaths.state(root)
const configuration = join(pinPaths.generation(root, {number: 3, fingerprint: 'abc', layout: STATE_LAYOUT}), 'maps')

beforeAll(() => {
  mkdirSync(mountPoint, {recursive: true})
  ensureBpfFileSystem(mountPoint)
})
afterEach(() => rmSync(root, {recursive: true, force: true}))
afterAll(() => {
  unmountFileSystem(mountPoint)
  rmSync(mountPoint, {recursive: true})
})

/** Makes a map, fills it and leaves nothing but its pin. */
function pinned<K, V>(folder: string, shape: MapShape<K, V>, fill: (map: BpfMap<K, V>) => void, inner?: number): void {
  const map = createMap(shape, inner === undefined ? {} : {innerFd: inner})
  fill(map)
  pin(map.fd, join(folder, shape.name))
  map.close()
}

const bytes = (text: string) => Ip.of(text).toMappedBytes()
const bpf = (...args: string[]) => runProgram('cilium-dbg', ['bpf', ...args, '--bpf-root', root])

test('endpoints are listed by address', async () => {
  pinned(configuration, ciliumLxc, (map) =>
    map.put(7, {...endpointZero, id: 7, ifindex: 4103, identity: 1207, v4: bytes('10.0.0.17'), v6: bytes('fd00::11')}),
  )
  pinned(configuration, ciliumIpcache, (map) => map.put(bytes('10.0.0.1'), {...addressZero, identity: 1, flags: 1}))
  pinned(configuration, ciliumIpcacheP, () => {})

  const {stdout, stderr, exitCode} = await bpf('endpoint', 'list')

  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  expect(stdout).toMatch(
    /^IP ADDRESS +LOCAL ENDPOINT INFO\n10\.0\.0\.1 +\(localhost\)\n10\.0\.0\.17 +id=7 sec_id=1207 /,
  )
  expect(stdout).toMatch(/^fd00::11 +id=7 sec_id=1207 flags=0x0000 ifindex=4103 /m)
})

test('addresses are listed, found by their longest prefix, and matched exactly', async () => {
  pinned(configuration, ciliumIpcache, (map) =>
    map.put(bytes('10.0.1.6'), {...addressZero, identity: 1207, tunnel: bytes('192.0.2.12')}),
  )
  pinned(configuration, ciliumIpcacheP, (map) => {
    map.put({bits: 96 + 8, addr: bytes('10.0.0.0')}, {...addressZero, identity: 3})
    map.put({bits: 8, addr: bytes('fd00::')}, {...addressZero, identity: 10})
  })

  const list = await bpf('ipcache', 'list', '-o', 'json')
  const exact = await bpf('ipcache', 'get', '10.0.1.6')
  const around = await bpf('ipcache', 'get', '10.9.9.9')
  const six = await bpf('ipcache', 'match', 'fd00::/8')
  const none = await bpf('ipcache', 'get', '192.0.2.1')

  expect(JSON.parse(list.stdout)).toEqual({
    '10.0.0.0/8': ['identity=3 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>'],
    '10.0.1.6/32': ['identity=1207 encryptkey=0 tunnelendpoint=192.0.2.12 flags=hastunnel'],
    'fd00::/8': ['identity=10 encryptkey=0 tunnelendpoint=0.0.0.0 flags=<none>'],
  })
  expect(exact.stdout).toMatch(
    /^10\.0\.1\.6 maps to identity identity=1207\s+encryptkey=0\s+tunnelendpoint=192\.0\.2\.12 /,
  )
  expect(around.stdout).toContain('identity=3 ')
  expect(six.stdout).toContain('key fd00::/8 has value "identity=10 ')
  expect(none.exitCode).toBe(1)
  expect(none.stderr).toContain('192.0.2.1 does not map to any identity')
})

test('connections and translations are read from all shards', async () => {
  const [pod, outside, node] = ['10.0.0.17', '1.1.1.1', '172.30.0.11'].map(bytes) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]
  const shard = createMap(ciliumFlowsInner)
  shard.put(
    {src: pod, dst: outside, sport: 4000, dport: 443, proto: 6, zone: 0},
    {
      ...flowZero,
      flags: flowFlags.FLOW_SNAT,
      expires: 5_000_000_000n,
      packets: 2,
      toSrc: node,
      toSport: 50_000,
      toDst: outside,
      toDport: 443,
    },
  )
  shard.put(
    {src: outside, dst: node, sport: 443, dport: 50_000, proto: 6, zone: 0},
    {
      ...flowZero,
      flags: flowFlags.FLOW_SNAT | flowFlags.FLOW_REVERSE,
      packets: 3,
      toSrc: outside,
      toSport: 443,
      toDst: pod,
      toDport: 4000,
    },
  )
  pinned(state, ciliumFlows, (map) => map.put(0, shard.fd), shard.fd)
  shard.close()

  const connections = await bpf('ct', 'list', 'global')
  const translations = await bpf('nat', 'list')

  expect(connections.stderr).toBe('')
  expect(connections.stdout).toMatch(
    /^TCP OUT 10\.0\.0\.17:4000 -> 1\.1\.1\.1:443 expires=5 RxPackets=3 .* TxPackets=2 .* \[ Snat \] .*\n$/,
  )
  expect(translations.stdout.split('\n').map((line) => line.replace(/ Created=.*/, ''))).toEqual([
    'TCP IN 1.1.1.1:443 -> 172.30.0.11:50000 XLATE_DST 10.0.0.17:4000',
    'TCP OUT 10.0.0.17:4000 -> 1.1.1.1:443 XLATE_SRC 172.30.0.11:50000',
    '',
  ])
})

test('Maglev tables are listed by what their backends have, and shown place by place', async () => {
  const page = createMap({...ciliumLbMaglevInner, maxEntries: 16_384})
  page.put(3, {place: Array.from({length: 32}, (_, i) => (i === 4 ? 1 : 0))})
  for (const chunk of [4, 5, 6, 7, 8, 9, 10]) page.put(chunk, {place: Array(32).fill(1)})
  pinned(configuration, ciliumLbMaglev, (map) => map.put(0, page.fd), page.fd)
  page.close()
  pinned(configuration, ciliumLbLists, (map) => map.putAll([5, 6].map((n, i) => [i, n | (1 << 16)] as const)))
  for (const shape of [ciliumBackends, ciliumLbRanges] as MapShape<unknown, unknown>[])
    pinned(configuration, shape, () => {})
  pinned(configuration, ciliumLb, (map) =>
    map.put(
      {addr: bytes('192.0.2.1'), port: 30_080, proto: 6, scope: 0},
      {...frontendZero, service: 7, list: 0, count: 2, table: 3, tableSize: 251},
    ),
  )

  const list = await bpf('lb', 'maglev', 'list')
  const one = await bpf('lb', 'maglev', 'get', '7', '-o', 'json')
  const none = await bpf('lb', 'maglev', 'get', '8')

  expect(list.stderr).toBe('')
  expect(list.stdout).toMatch(/^SERVICE ID +FRONTEND .*\n7 +192\.0\.2\.1:30080\/TCP \[5:31 6:220\]/)
  expect(JSON.parse(one.stdout)['7'][0]).toMatch(/^\[5 5 5 5 6 5 /)
  expect(none.exitCode).toBe(1)
  expect(none.stderr).toContain('MAGLEV_NO_TABLE')
})

test('counters are summed over processors', async () => {
  const cpus = possibleCpus()
  pinned(state, ciliumMetrics, (map) => map.put(133 * 4 + 1, Array(cpus).fill({packets: 2, bytes: 100})))

  const {stdout} = await bpf('metrics', 'list', '-o', 'json')

  expect(JSON.parse(stdout)).toEqual([
    {reason: 'Policy denied', direction: 'INGRESS', packets: 2 * cpus, bytes: 100 * cpus, drop: true},
  ])
})

test('without a datapath the way out is told', async () => {
  const {stderr, exitCode} = await bpf('ct', 'list')

  expect(exitCode).toBe(1)
  expect(stderr).toContain('DATAPATH_NOT_LOADED')
})
