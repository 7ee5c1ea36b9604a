/** The extremes of the programs' configuration, and what the verifier says of every object with them. */
import {readdirSync} from 'node:fs'
import {resolve} from 'node:path'
import {EVENT_PAYLOAD_MAX} from '../../../src/datapath/gen/constants.ts'
import {dsrDispatch} from '../../../src/datapath/gen/enums.ts'
import {type Config, configCodec} from '../../../src/datapath/gen/types.ts'
import {loadObject} from '../../../src/kernel/bpf/object.ts'
import {addr, defaultConfig} from '../../bpf/node.ts'

const root = resolve(import.meta.dirname, '../../..')
/** What the kernel looks at before it gives up, and the share of it that we allow ourselves. */
export const instructionLimit = 1_000_000
export const allowed = 0.8 * instructionLimit

const everything: Config = {
  ...defaultConfig,
  tunnel: 1,
  services: 1,
  hostFirewall: 1,
  nodeport: 1,
  dsr: dsrDispatch.DSR_GENEVE,
  defrag: 1,
  routeSource: 1,
  monitorLevel: 0,
  monitorFlags: 255,
  eventPayload: EVENT_PAYLOAD_MAX,
}
const nothing: Config = {
  ...everything,
  test: 0,
  tunnel: 0,
  services: 0,
  policy: 0,
  hostFirewall: 0,
  nodeport: 0,
  dsr: 0,
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
  eventPayload: 0,
}

/** The extremes, and each switch alone against all others. */
export const configurations: readonly (readonly [string, Config])[] = [
  ['everything', everything],
  ['nothing', nothing],
  ['everything but tests', {...everything, test: 0}],
  ['IPv4 only', {...everything, enableIpv6: 0, masqueradeIpv6: 0}],
  ['IPv6 only', {...everything, enableIpv4: 0, masqueradeIpv4: 0}],
  ['native', {...everything, tunnel: 0}],
  ['stack routing', {...everything, hostRouting: 0}],
  ['no masquerade', {...everything, masqueradeIpv4: 0, masqueradeIpv6: 0}],
  ['no services', {...everything, services: 0, nodeport: 0, dsr: 0}],
  ['no direct answers', {...everything, dsr: 0}],
  ['direct answers by option', {...everything, tunnel: 0, dsr: dsrDispatch.DSR_OPTION}],
  ['direct answers by packets inside packets', {...everything, dsr: dsrDispatch.DSR_IPIP}],
  ['no policy', {...everything, policy: 0}],
  ['no reassembly', {...everything, defrag: 0, defragV4: addr('::'), defragV6: addr('::')}],
  ['no bytes of packets', {...everything, eventPayload: 0}],
  ['no events', {...everything, eventDrop: 0, eventTrace: 0, eventVerdict: 0}],
  ['policy alone', {...nothing, policy: 1}],
  ['services alone', {...nothing, services: 1}],
]

/** Names of all objects that are loaded on nodes. */
export const objects: readonly string[] = readdirSync(`${root}/bpf`)
  .filter((file) => file.endsWith('.c') && file !== 'abi.c')
  .map((file) => file.slice(0, -2))
  .sort()

export interface MostInstructions {
  readonly program: string
  readonly instructions: number
  /** the configuration with which it has so many */
  readonly with: string
}

/**
 * Loads an object with every extreme.
 *
 * @returns for each program the most instructions that the verifier looked at
 * @throws BPF_LOAD_FAILED
 */
export function verify(object: string): readonly MostInstructions[] {
  const most = new Map<string, MostInstructions>()
  for (const [name, config] of configurations) {
    const bytes = new Uint8Array(configCodec.size)
    configCodec.encode(config, new DataView(bytes.buffer), 0)
    using loaded = loadObject(`${root}/dist/bpf/${object}.o`, {config: bytes, statistics: true})
    for (const program of loaded.programs.values()) {
      const instructions = Number(/processed (\d+) insns/.exec(program.statistics)?.[1] ?? 0)
      if (instructions >= (most.get(program.name)?.instructions ?? 0))
        most.set(program.name, {program: program.name, instructions, with: name})
    }
  }
  return [...most.values()]
}
