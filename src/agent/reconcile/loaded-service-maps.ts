/** Answers the agent's wishes about services with the kernel's maps. */
import {MAGLEV_CHUNK_PLACES} from '../../datapath/gen/constants.ts'
import {backendState, frontendFlags, frontendKind, frontendScope} from '../../datapath/gen/enums.ts'
import {type Backend, backendZero, type Frontend, frontendZero, type SourceRangeKey} from '../../datapath/gen/types.ts'
import type {ServiceTables} from '../../datapath/maps/services.ts'
import {isErrno} from '../../kernel/errors.ts'
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import {declareErrors, fail} from '../../runtime/errors.ts'
import type {BackendEntry, FrontendEntry, FrontendEntryKey, ServiceMaps} from '../service/door.ts'
import type {FrontendKind, ServiceProtocol} from '../service/rows.ts'

const codes = declareErrors({
  LB_MAP_FULL: {
    what: 'the service map is full ({capacity} entries)',
    advice: 'raise bpf.lbMapMax (bpf-lb-map-max), then restart the agents',
  },
})

const protocolNumbers = {ANY: 0, TCP: 6, UDP: 17, SCTP: 132} as const
const kindNumbers: Readonly<Record<FrontendKind, number>> = {
  ClusterIP: frontendKind.FRONTEND_CLUSTER_IP,
  NodePort: frontendKind.FRONTEND_NODE_PORT,
  ExternalIPs: frontendKind.FRONTEND_EXTERNAL_IP,
  LoadBalancer: frontendKind.FRONTEND_LOAD_BALANCER,
  HostPort: frontendKind.FRONTEND_HOST_PORT,
  LocalRedirect: frontendKind.FRONTEND_LOCAL_REDIRECT,
}
const flagBits = {
  scopes: frontendFlags.FRONTEND_SCOPES,
  sourceRanges: frontendFlags.FRONTEND_SOURCE_RANGES,
  denyRanges: frontendFlags.FRONTEND_DENY_RANGES,
  internalOnly: frontendFlags.FRONTEND_INTERNAL_ONLY,
  direct: frontendFlags.FRONTEND_DSR,
  sparesBackends: frontendFlags.FRONTEND_SPARES_BACKENDS,
} as const
/** Backends of this node alone see the client, and nobody answers for those of others. */
const localBits = frontendFlags.FRONTEND_KEEP_SOURCE | frontendFlags.FRONTEND_DROP

const shortList = 8

/**
 * @param tableSeed of Maglev tables, 12 bytes
 * @param moveEpoch makes every flow look again at what it rests on
 */
export function loadedServiceMaps(tables: ServiceTables, tableSeed: Uint8Array, moveEpoch: () => void): ServiceMaps {
  const header = new Uint16Array(MAGLEV_CHUNK_PLACES)
  new Uint8Array(header.buffer).set(tableSeed)
  const tablesHold = tables.maglev.read(0, header.length).every((word, i) => word === header[i])
  let headed = tablesHold
  const keyOf = ({ip, port, protocol, inside}: FrontendEntryKey) => ({
    addr: ip.toMappedBytes(),
    port,
    proto: protocolNumbers[protocol],
    scope: inside ? frontendScope.SCOPE_INTERNAL : frontendScope.SCOPE_EXTERNAL,
  })
  return {
    frontendCapacity: tables.frontends.maxEntries,
    listCapacity: tables.lists.maxEntries,
    backendCapacity: tables.backends.maxEntries,
    *frontends() {
      for (const [{addr, port, proto, scope}, value] of tables.frontends.entries()) {
        const inside = scope === frontendScope.SCOPE_INTERNAL
        yield [{ip: Ip.fromBytes(addr), port, protocol: protocolName(proto), inside}, frontendEntry(value)]
      }
    },
    *backends() {
      for (const [index, value] of tables.backends.entries())
        if (value.generation !== 0) yield [index, backendEntry(value)]
    },
    lists: () => tables.readLists(),
    putFrontend(key, entry) {
      try {
        tables.frontends.put(keyOf(key), frontendValue(entry))
      } catch (thrown) {
        if (isErrno(thrown, 'E2BIG', 'ENOSPC')) fail(codes.LB_MAP_FULL, {capacity: tables.frontends.maxEntries})
        throw thrown
      }
    },
    deleteFrontend: (key) => {
      tables.frontends.delete(keyOf(key))
    },
    writeList: (offset, refs) => {
      // short lists are many: a batch costs more than it saves
      if (refs.length > shortList) tables.lists.putAll(refs.map((ref, i) => [offset + i, ref] as const))
      else for (const [i, ref] of refs.entries()) tables.lists.put(offset + i, ref)
    },
    tableCapacity: tables.maglev.capacity,
    tableChunkPlaces: MAGLEV_CHUNK_PLACES,
    tableSeed,
    tablesHold,
    writeTable(chunk, places) {
      if (!headed) tables.maglev.write(0, header)
      headed = true
      tables.maglev.write(chunk, places)
    },
    putBackend: (index, entry) => tables.backends.put(index, backendValue(entry)),
    *ranges() {
      for (const [{bits, service, addr}] of tables.ranges.entries()) {
        const network = Ip.fromBytes(addr)
        yield [service, Cidr.from(network, bits - serviceBits - (network.family === 4 ? mappedBits : 0))]
      }
    },
    putRange: (service, cidr) => tables.ranges.put(rangeKey(service, cidr), 1),
    deleteRange: (service, cidr) => {
      tables.ranges.delete(rangeKey(service, cidr))
    },
    moveEpoch,
  }
}

/** The service's number stands before the address in the trie's key; an IPv4 address in its mapped form. */
const serviceBits = 32
const mappedBits = 96

function rangeKey(service: number, {network, length, family}: Cidr): SourceRangeKey {
  return {bits: serviceBits + (family === 4 ? mappedBits : 0) + length, service, addr: network.toMappedBytes()}
}

export function protocolName(number: number): ServiceProtocol | 'ANY' {
  return number === 6 ? 'TCP' : number === 17 ? 'UDP' : number === 132 ? 'SCTP' : 'ANY'
}

export function kindName(number: number): FrontendKind {
  return (Object.keys(kindNumbers) as FrontendKind[]).find((kind) => kindNumbers[kind] === number) ?? 'ClusterIP'
}

function frontendValue(entry: FrontendEntry): Frontend {
  let flags = 0
  for (const [name, bit] of Object.entries(flagBits)) if (entry[name as keyof typeof flagBits]) flags |= bit
  if (entry.affinityS > 0) flags |= frontendFlags.FRONTEND_AFFINITY
  if (entry.local) flags |= localBits
  if (entry.service === 0) flags |= frontendFlags.FRONTEND_ADDRESS
  const {service, list, count, others, table, tableSize, affinityS} = entry
  const kind = kindNumbers[entry.kind]
  return {...frontendZero, service, list, count, others, table, tableSize, affinityS, kind, flags}
}

function frontendEntry(row: Frontend): FrontendEntry {
  const {flags, kind, service, list, count, others, table, tableSize, affinityS} = row
  const has = (bit: number) => (flags & bit) !== 0
  return {
    service,
    kind: kindName(kind),
    list,
    count,
    others,
    table,
    tableSize,
    affinityS,
    scopes: has(flagBits.scopes),
    sourceRanges: has(flagBits.sourceRanges),
    denyRanges: has(flagBits.denyRanges),
    local: has(frontendFlags.FRONTEND_KEEP_SOURCE),
    internalOnly: has(flagBits.internalOnly),
    direct: has(flagBits.direct),
    sparesBackends: has(flagBits.sparesBackends),
  }
}

const stateNumbers = {
  free: backendState.BACKEND_FREE,
  active: backendState.BACKEND_ACTIVE,
  terminating: backendState.BACKEND_TERMINATING,
} as const

function backendValue({ip, port, protocol, state, generation}: BackendEntry): Backend {
  return {
    ...backendZero,
    ...(ip === undefined ? {} : {addr: ip.toMappedBytes(), port, proto: protocolNumbers[protocol]}),
    state: stateNumbers[state],
    generation,
  }
}

function backendEntry({addr, port, proto, state, generation}: Backend): BackendEntry {
  const known = (Object.keys(stateNumbers) as (keyof typeof stateNumbers)[]).find((one) => stateNumbers[one] === state)
  const protocol = protocolName(proto)
  return {
    ip: state === backendState.BACKEND_FREE ? undefined : Ip.fromBytes(addr),
    port,
    protocol: protocol === 'ANY' ? 'TCP' : protocol,
    state: known ?? 'free',
    generation,
  }
}
