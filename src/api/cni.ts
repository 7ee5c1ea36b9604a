/**
 * What travels between the CNI shim (bpf/cni) and the agent over /var/run/cilium/cni.sock, and the documents that a
 * runtime reads (CNI spec 1.1.0, older shapes down to 0.3.0).
 *
 *     to the agent:   length u32 │ NAME=VALUE\0 … │ \0 │ stdin as it came
 *     from the agent: length u32 │ exit code u32 │ text for stdout          (lengths and codes in network byte order)
 */
import {declareErrors, fail} from '../runtime/errors.ts'

/** Where the agent listens; the conflist may name another path under `agent-socket`. */
export const cniSocketPath = '/var/run/cilium/cni.sock'

/** Longest message either way, the shim's limit too. */
export const cniMessageBytes = 1 << 20

export const cniVersions = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type CniVersion = (typeof cniVersions)[number]

export type CniCommand = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS'

/** Error codes of the CNI spec (section 5) that we use. */
export const cniErrorCodes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  badEnvironment: 4,
  io: 5,
  decode: 6,
  badConfig: 7,
  tryAgain: 11,
  notAvailable: 50,
  internal: 999,
} as const

export const {CNI_MESSAGE_MALFORMED} = declareErrors({
  CNI_MESSAGE_MALFORMED: {
    what: 'a message of the CNI plugin is malformed: {detail}',
    advice:
      'the plugin in /opt/cni/bin is of another version than the agent: restart the agent pod, which installs its own',
  },
})

/** A message of the shim: the CNI variables of its environment and its stdin. */
export interface CniMessage {
  readonly variables: Readonly<Record<string, string>>
  readonly input: string
}

export interface CniAnswer {
  readonly exitCode: number
  readonly text: string
}

export interface CniInterface {
  readonly name: string
  readonly mac?: string
  readonly mtu?: number
  readonly sandbox?: string
}

export interface CniAddress {
  /** with prefix length */
  readonly address: string
  readonly gateway?: string
  /** index in `interfaces` */
  readonly interface?: number
}

export interface CniRoute {
  readonly dst: string
  readonly gw?: string
  readonly mtu?: number
}

/** What ADD answers, version-free; `resultDocument` gives it the shape of a version. */
export interface CniResult {
  readonly interfaces: readonly CniInterface[]
  readonly ips: readonly CniAddress[]
  readonly routes: readonly CniRoute[]
}

/**
 * Reads a message without its length.
 *
 * @throws CNI_MESSAGE_MALFORMED
 */
export function decodeCniMessage(bytes: Uint8Array): CniMessage {
  const variables: Record<string, string> = Object.create(null)
  const text = new TextDecoder('utf-8', {fatal: false})
  let at = 0
  for (;;) {
    const end = bytes.indexOf(0, at)
    if (end < 0) fail(CNI_MESSAGE_MALFORMED, {detail: 'the list of variables has no end'})
    if (end === at) break
    const pair = text.decode(bytes.subarray(at, end))
    const equals = pair.indexOf('=')
    if (equals < 1) fail(CNI_MESSAGE_MALFORMED, {detail: 'a variable without a name'})
    variables[pair.slice(0, equals)] = pair.slice(equals + 1)
    at = end + 1
  }
  return {variables, input: text.decode(bytes.subarray(at + 1))}
}

/** The message without its length; the shim's side, for tests and for notes of deletions. */
export function encodeCniMessage({variables, input}: CniMessage): Uint8Array {
  const head = Object.entries(variables)
    .map(([name, value]) => `${name}=${value}\0`)
    .join('')
  return new TextEncoder().encode(`${head}\0${input}`)
}

/** The answer with its length. */
export function encodeCniAnswer({exitCode, text}: CniAnswer): Uint8Array {
  const body = new TextEncoder().encode(text)
  const bytes = new Uint8Array(8 + body.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 4 + body.length)
  view.setUint32(4, exitCode)
  bytes.set(body, 8)
  return bytes
}

/** The result document of one CNI version: before 1.0 each address names its family. */
export function resultDocument(version: CniVersion, result: CniResult): string {
  const named = version.startsWith('0.')
  const mtuKnown = version === '1.1.0'
  return `${JSON.stringify({
    cniVersion: version,
    interfaces: result.interfaces.map(({mtu, ...rest}) => (mtuKnown && mtu !== undefined ? {...rest, mtu} : rest)),
    ips: result.ips.map((ip) => (named ? {version: ip.address.includes(':') ? '6' : '4', ...ip} : ip)),
    routes: result.routes.map(({mtu, ...rest}) => (mtuKnown && mtu !== undefined ? {...rest, mtu} : rest)),
    dns: {},
  })}\n`
}

/** The error document of one CNI version. */
export function errorDocument(version: CniVersion, code: number, msg: string, details: string): string {
  return `${JSON.stringify({cniVersion: version, code, msg, details})}\n`
}

/** True for a version whose documents we can read and write. */
export function isCniVersion(text: unknown): text is CniVersion {
  return cniVersions.some((version) => version === text)
}
