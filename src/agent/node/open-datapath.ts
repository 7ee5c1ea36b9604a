/** Loads the programs, or finds those that run, and what the maps held. */
import {existsSync} from 'node:fs'
import {basename, join} from 'node:path'
import {Attachments, hasTcx} from '../../datapath/attach.ts'
import {XdpAttachments} from '../../datapath/attach-xdp.ts'
import {enableDefrag} from '../../datapath/defrag.ts'
import {ruleSetNumber} from '../../datapath/gen/enums.ts'
import {configCodec} from '../../datapath/gen/types.ts'
import {openGeneration} from '../../datapath/generation.ts'
import {settleSwitches} from '../../datapath/layout-change.ts'
import {AddressMap} from '../../datapath/maps/addresses.ts'
import {openEndpoints} from '../../datapath/maps/open.ts'
import {PolicyTables} from '../../datapath/maps/policy.ts'
import {ServiceTables} from '../../datapath/maps/services.ts'
import {listGenerations, pinPaths} from '../../datapath/pins.ts'
import {listPins} from '../../kernel/bpf/file-system.ts'
import {readMapInfo} from '../../kernel/bpf/info.ts'
import {openPin} from '../../kernel/bpf/pin.ts'
import {fibSourceFlag, probeFibFlags} from '../../kernel/bpf/probe.ts'
import {closeFd} from '../../kernel/libc.ts'
import type {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import {declareErrors, fail, hasCode} from '../../runtime/errors.ts'
import type {AgentConfig} from '../config.ts'
import type {EndpointSets} from '../reconcile/datapath-door.ts'
import {LoadedDatapath, restoredAddresses} from '../reconcile/loaded-datapath.ts'
import type {AddressRow} from '../state/rows.ts'
import {type DatapathNode, datapathConfig, maglevSeed} from './datapath-config.ts'

const codes = declareErrors({
  MASQUERADE_ROUTE_SOURCE_UNSUPPORTED: {
    what: "this kernel does not tell programs a route's source address, which enableMasqueradeRouteSource=true needs",
    advice: 'take a kernel from 6.7 on, or set the value to false: pods then leave with the address of the device',
  },
})

export interface OpenedDatapath {
  readonly datapath: LoadedDatapath
  /** addresses that the maps of the generation before held */
  readonly restored: readonly AddressRow[]
  /** rule sets of the endpoints that the maps of the generation before held, by slot */
  readonly formerSets: ReadonlyMap<number, {readonly generation: number} & EndpointSets>
  /** When every hook has been attached to. */
  readonly complete: () => void
}

export function openDatapath(options: {
  readonly config: AgentConfig
  readonly node: DatapathNode
  readonly socket: NetlinkSocket
}): OpenedDatapath {
  if (options.config['enable-masquerade-to-route-source'] && !probeFibFlags(fibSourceFlag))
    fail(codes.MASQUERADE_ROUTE_SOURCE_UNSUPPORTED, {})
  const root = join(options.config['bpf-root'], 'cilium')
  settleSwitches(root)
  const restored = addressesBefore(root)
  using services = servicesBefore(root)
  using policy = policyBefore(root)
  const formerSets = setsBefore(root, policy)
  const base = datapathConfig(options.config, options.node)
  const generation = openGeneration({
    root,
    objects: objectsFolder(),
    config: (number) => {
      const bytes = new Uint8Array(configCodec.size)
      configCodec.encode({...base, generation: number}, new DataView(bytes.buffer), 0)
      return bytes
    },
    // each service address has a row of its own besides those of its ports
    sizes: {cilium_lb: 2 * options.config['bpf-lb-map-max']},
  })
  // packets must find every service from the first moment, with or without an API server
  if (generation.fresh && services !== undefined) {
    using fresh = new ServiceTables((name) => generation.map(name))
    fresh.copyFrom(services)
  }
  if (generation.fresh && policy !== undefined) {
    using fresh = new PolicyTables((name) => generation.map(name))
    fresh.copyFrom(policy)
  }
  const tcx = options.config['enable-tcx'] && hasTcx(generation.program('cil_from_container'))
  const attachments = new Attachments(root, tcx ? 'tcx' : 'tc', options.socket)
  const podAttachments = new Attachments(root, 'tc', options.socket)
  const xdp = new XdpAttachments(root, options.config['bpf-lb-acceleration'])
  const hooks = {node: attachments, pods: podAttachments, xdp}
  const datapath = new LoadedDatapath(generation, hooks, maglevSeed(options.config))
  return {
    datapath,
    restored,
    formerSets,
    complete: () => generation.complete(() => datapath.programs.replace()),
  }
}

function addressesBefore(root: string): readonly AddressRow[] {
  const newest = listGenerations(root).at(-1)
  if (newest === undefined) return []
  const folder = join(pinPaths.generation(root, newest), 'maps')
  const exact = openPin(join(folder, 'cilium_ipcache'))
  const prefixes = openPin(join(folder, 'cilium_ipcache_p'))
  if (exact === undefined || prefixes === undefined) return []
  const map = new AddressMap(exact, prefixes)
  try {
    return restoredAddresses(map)
  } finally {
    map.close()
  }
}

/** Lets the node's stack reassemble fragments before it routes them. @returns false when this kernel cannot */
export function reassemble(bpfRoot: string): boolean {
  const pinOf = (family: 'v4' | 'v6') => join(bpfRoot, 'cilium', 'defrag', family)
  // on from an agent before this one: the kernel takes one program of a priority
  if (existsSync(pinOf('v4')) && existsSync(pinOf('v6'))) return true
  return enableDefrag(pinOf)
}

/** Names, paths and sizes of the pinned maps. */
export function pinnedMapSizes(root: string): {name: string; path: string; maxEntries: number}[] {
  return listPins(root)
    .filter(({kind}) => kind === 'map')
    .flatMap(({path}) => {
      const fd = openPin(path)
      if (fd === undefined) return []
      try {
        return [{name: basename(path), path, maxEntries: readMapInfo(fd).maxEntries}]
      } finally {
        closeFd(fd)
      }
    })
}

/** The services of the generation before; undefined when there is none, or one that keeps them in another form. */
function servicesBefore(root: string): ServiceTables | undefined {
  const newest = listGenerations(root).at(-1)
  if (newest === undefined) return undefined
  const folder = join(pinPaths.generation(root, newest), 'maps')
  if (
    !['cilium_lb', 'cilium_lb_lists', 'cilium_lb_maglev', 'cilium_backends', 'cilium_lb_ranges'].every((name) =>
      existsSync(join(folder, name)),
    )
  ) {
    return undefined
  }
  try {
    return new ServiceTables((name) => openPin(join(folder, name))!)
  } catch (thrown) {
    if (hasCode(thrown, 'BPF_MAP_LAYOUT')) return undefined
    throw thrown
  }
}

const policyMaps = ['cilium_policy', 'cilium_policy_p', 'cilium_policy_peers', 'cilium_policy_sets']

/** The rule sets of the generation before; undefined when there is none, or one that keeps them in another form. */
function policyBefore(root: string): PolicyTables | undefined {
  const newest = listGenerations(root).at(-1)
  if (newest === undefined) return undefined
  const folder = join(pinPaths.generation(root, newest), 'maps')
  if (!policyMaps.every((name) => existsSync(join(folder, name)))) {
    return undefined
  }
  try {
    return new PolicyTables((name) => openPin(join(folder, name))!)
  } catch (thrown) {
    if (hasCode(thrown, 'BPF_MAP_LAYOUT')) return undefined
    throw thrown
  }
}

/** Which sets the endpoints had; an endpoint whose set is not there any more has none. */
function setsBefore(root: string, policy: PolicyTables | undefined): OpenedDatapath['formerSets'] {
  const found = new Map<number, {generation: number} & EndpointSets>()
  const newest = listGenerations(root).at(-1)
  const fd = newest && openPin(join(pinPaths.generation(root, newest), 'maps', 'cilium_lxc'))
  if (fd === undefined) return found
  const endpoints = openEndpoints(() => fd)
  try {
    const there = (set: number) => set < ruleSetNumber.SET_FIRST || policy?.sets.get({set, part: 0}) !== undefined
    for (const [slot, {generation, ifindex, ingressSet, egressSet}] of endpoints.entries()) {
      if (slot === 0 || ifindex === 0 || !there(ingressSet) || !there(egressSet)) continue
      found.set(slot, {generation, ingress: ingressSet, egress: egressSet})
    }
  } finally {
    endpoints.close()
  }
  return found
}

/** In the image beside the bundle; in a checkout dist/bpf, beside dist/bundle and above the sources. */
function objectsFolder(): string {
  const places = ['./bpf', '../bpf', '../../../dist/bpf'].map((path) => new URL(path, import.meta.url).pathname)
  return places.find((place) => existsSync(join(place, 'pod.o'))) ?? places[0]!
}
