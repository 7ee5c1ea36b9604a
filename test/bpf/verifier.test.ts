/** Every object with the extremes of its configuration is accepted by this kernel, with room to grow. */
import {readdirSync} from 'node:fs'
import {resolve} from 'node:path'
import {beforeAll, describe, expect, test} from 'vitest'
import {buildBpf} from '../../scripts/build-bpf.ts'
import {type Config, configCodec} from '../../src/datapath/gen/types.ts'
import {loadObject} from '../../src/kernel/bpf/object.ts'
import {addr, defaultConfig} from './node.ts'

const root = resolve(import.meta.dirname, '../..')
/** What the kernel looks at before it gives up, and the share of it that we allow ourselves. */
const instructionLimit = 1_000_000
const allowed = 0.8 * instructionLimit

const everything: Config = {
  ...defaultConfig,
  tunnel: 1,
  services: 1,
  hostFirewall: 1,
  nodeport: 1,
  defrag: 1,
  routeSource: 1,
  monitorLevel: 0,
  monitorFlags: 255,
}
const nothing: Config = {
  ...everything,
  test: 0,
  tunnel: 0,
  services: 0,
  policy: 0,
  hostFirewall: 0,
  nodeport: 0,
  sourceCheck: 0,
  masqueradeIpv4: 0,
  masqueradeIpv6: 0,
  defrag: 0,
  defragV4: addr('::'),
  defragV6: addr('::'),
  routeSource: 0,
  hostRouting: 0,
  eventDrop: 0,
  eventTrace: 0,
  eventVerdict: 0,
  monitorLevel: 4,
}

/** The extremes, and each switch alone against all others. */
const configurations: readonly (readonly [string, Config])[] = [
  ['everything', everything],
  ['nothing', nothing],
  ['everything but tests', {...everything, test: 0}],
  ['IPv4 only', {...everything, enableIpv6: 0, masqueradeIpv6: 0}],
  ['IPv6 only', {...everything, enableIpv4: 0, masqueradeIpv4: 0}],
  ['native', {...everything, tunnel: 0}],
  ['stack routing', {...everything, hostRouting: 0}],
  ['no masquerade', {...everything, masqueradeIpv4: 0, masqueradeIpv6: 0}],
  ['no services', {...everything, services: 0, nodeport: 0}],
  ['no policy', {...everything, policy: 0}],
  ['no reassembly', {...everything, defrag: 0, defragV4: addr('::'), defragV6: addr('::')}],
  ['no events', {...everything, eventDrop: 0, eventTrace: 0, eventVerdict: 0}],
  ['policy alone', {...nothing, policy: 1}],
  ['services alone', {...nothing, services: 1}],
]

const objects = readdirSync(`${root}/bpf`)
  .filter((file) => file.endsWith('.c') && file !== 'abi.c')
  .map((file) => file.slice(0, -2))

beforeAll(async () => {
  await buildBpf({from: `${root}/bpf`, to: `${root}/dist/bpf`})
})

describe.each(objects)('%s.o', (object) => {
  test('passes the verifier with every extreme of the configuration', () => {
    const most = new Map<string, {instructions: number; with: string}>()

    for (const [name, config] of configurations) {
      const bytes = new Uint8Array(configCodec.size)
      configCodec.encode(config, new DataView(bytes.buffer), 0)
      using loaded = loadObject(`${root}/dist/bpf/${object}.o`, {config: bytes, statistics: true})
      for (const program of loaded.programs.values()) {
        const instructions = Number(/processed (\d+) insns/.exec(program.statistics)?.[1])
        expect(instructions, `${program.name} with ${name}`).toBeGreaterThan(0)
        if (instructions > (most.get(program.name)?.instructions ?? 0))
          most.set(program.name, {instructions, with: name})
      }
    }

    for (const [program, {instructions, with: name}] of most) {
      const share = ((100 * instructions) / instructionLimit).toFixed(1)
      console.log(
        `${program.padEnd(24)} ${String(instructions).padStart(8)} instructions  ${share.padStart(5)} %  (${name})`,
      )
      expect(instructions, program).toBeLessThan(allowed)
    }
  })
})
