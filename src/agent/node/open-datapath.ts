/** Loads the programs, or finds those that run, and what the maps held. */
import {existsSync} from 'node:fs'
import {basename, join} from 'node:path'
import {Attachments, hasTcx} from '../../datapath/attach.ts'
import {configCodec} from '../../datapath/gen/types.ts'
import {openGeneration} from '../../datapath/generation.ts'
import {AddressMap} from '../../datapath/maps/addresses.ts'
import {listGenerations, pinPaths} from '../../datapath/pins.ts'
import {listPins} from '../../kernel/bpf/file-system.ts'
import {readMapInfo} from '../../kernel/bpf/info.ts'
import {openPin} from '../../kernel/bpf/pin.ts'
import {closeFd} from '../../kernel/libc.ts'
import type {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import type {AgentConfig} from '../config.ts'
import {LoadedDatapath, restoredAddresses} from '../reconcile/loaded-datapath.ts'
import type {AddressRow} from '../state/rows.ts'
import {type DatapathNode, datapathConfig} from './datapath-config.ts'

export interface OpenedDatapath {
  readonly datapath: LoadedDatapath
  /** addresses that the maps of the generation before held */
  readonly restored: readonly AddressRow[]
  /** When every hook has the new programs. */
  readonly retireOlder: () => void
}

export function openDatapath(options: {
  readonly config: AgentConfig
  readonly node: DatapathNode
  readonly socket: NetlinkSocket
}): OpenedDatapath {
  const root = join(options.config['bpf-root'], 'cilium')
  const restored = addressesBefore(root)
  const base = datapathConfig(options.config, options.node)
  const generation = openGeneration({
    root,
    objects: objectsFolder(),
    config: (number) => {
      const bytes = new Uint8Array(configCodec.size)
      configCodec.encode({...base, generation: number}, new DataView(bytes.buffer), 0)
      return bytes
    },
  })
  const tcx = options.config['enable-tcx'] && hasTcx(generation.program('cil_from_container'))
  const attachments = new Attachments(root, tcx ? 'tcx' : 'tc', options.socket)
  return {
    datapath: new LoadedDatapath(generation, attachments),
    restored,
    retireOlder: () => generation.retireOlder(),
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

/** Beside the bundle in the image; built into dist/bpf in a checkout. */
function objectsFolder(): string {
  const places = ['/usr/lib/cilium/bpf', new URL('../../../dist/bpf', import.meta.url).pathname]
  return places.find((place) => existsSync(join(place, 'pod.o'))) ?? places[0]!
}
