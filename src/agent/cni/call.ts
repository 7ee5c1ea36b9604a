/** One call of a runtime, checked: what the shim sent as typed values, or an error with the CNI spec's code. */
import {
  type CniCommand,
  type CniMessage,
  type CniVersion,
  cniErrorCodes,
  cniVersions,
  errorDocument,
  isCniVersion,
} from '../../api/cni.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'

export interface CniCall {
  readonly command: CniCommand
  readonly version: CniVersion
  readonly containerId: string
  readonly ifname: string
  /** path; empty on DEL when the namespace is gone */
  readonly netns: string
  /** of CNI_ARGS; empty when the runtime is not Kubernetes' */
  readonly pod: {readonly namespace: string; readonly name: string; readonly uid: string}
  readonly networkName: string
  /** CHECK: addresses with prefix length that ADD had answered */
  readonly previousAddresses: readonly string[] | undefined
  /** GC: `container:ifname` of what is still wanted */
  readonly validAttachments: ReadonlySet<string> | undefined
}

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/
/** Linux: 15 characters, no slash, blank or colon (CNI spec, section 2). */
const ifnamePattern = /^(?!\.{1,2}$)[^\s/:]{1,15}$/

/** @throws CNI_ENVIRONMENT_INVALID, CNI_CONFIG_INVALID */
export function parseCall({variables, input}: CniMessage): CniCall {
  const command = checkCommand(variables['CNI_COMMAND'])
  const config = parseConfig(input)
  const version = isCniVersion(config['cniVersion'])
    ? config['cniVersion']
    : fail(codes.CNI_CONFIG_INVALID, {detail: `cniVersion must be one of ${cniVersions.join(', ')}`})
  const args = parseArgs(variables['CNI_ARGS'] ?? '')
  const attached = command === 'ADD' || command === 'DEL' || command === 'CHECK'
  return {
    command,
    version,
    networkName: typeof config['name'] === 'string' ? config['name'] : '',
    containerId: attached ? checkName('CNI_CONTAINERID', variables, namePattern) : '',
    ifname: attached ? checkName('CNI_IFNAME', variables, ifnamePattern) : '',
    netns: attached ? checkNetns(command, variables['CNI_NETNS'] ?? '') : '',
    pod: {
      namespace: args.get('K8S_POD_NAMESPACE') ?? '',
      name: args.get('K8S_POD_NAME') ?? '',
      uid: args.get('K8S_POD_UID') ?? '',
    },
    previousAddresses: previousAddresses(config['prevResult']),
    validAttachments: command === 'GC' ? validAttachments(config) : undefined,
  }
}

/** The error document for whatever was thrown. */
export function errorAnswer(version: CniVersion, thrown: unknown): string {
  const error = CiliumError.from(thrown)
  return errorDocument(version, errorNumber(error.code), `${error.code} ${error.message}`, error.advice)
}

/** The version that an answer to a malformed call has to have. */
export function versionOf(input: string): CniVersion {
  try {
    const found = (JSON.parse(input) as Record<string, unknown>)['cniVersion']
    return isCniVersion(found) ? found : '1.0.0'
  } catch {
    return '1.0.0' // the document is what is malformed, and the error says so
  }
}

const errorNumbers: Readonly<Record<string, number>> = {
  [codes.CNI_ENVIRONMENT_INVALID]: cniErrorCodes.badEnvironment,
  [codes.CNI_CONFIG_INVALID]: cniErrorCodes.badConfig,
  [codes.CNI_NETNS_GONE]: cniErrorCodes.unknownContainer,
  [codes.CNI_CHECK_FAILED]: cniErrorCodes.unknownContainer,
  [codes.CNI_BUSY]: cniErrorCodes.tryAgain,
  [codes.CNI_NOT_AVAILABLE]: cniErrorCodes.notAvailable,
  [codes.IPAM_EXHAUSTED]: cniErrorCodes.tryAgain,
  [codes.IPAM_NOT_READY]: cniErrorCodes.tryAgain,
  [codes.ENDPOINT_SLOTS_EXHAUSTED]: cniErrorCodes.tryAgain,
  [codes.POD_UNKNOWN]: cniErrorCodes.tryAgain,
  [codes.IDENTITY_UNAVAILABLE]: cniErrorCodes.tryAgain,
  [codes.IDENTITY_EXHAUSTED]: cniErrorCodes.tryAgain,
  STATE_WRITE_FAILED: cniErrorCodes.io,
}

function errorNumber(code: string): number {
  return errorNumbers[code] ?? cniErrorCodes.internal
}

function checkCommand(command: string | undefined): CniCommand {
  switch (command) {
    case 'ADD':
    case 'DEL':
    case 'CHECK':
    case 'GC':
    case 'STATUS':
      return command
    default:
      return fail(codes.CNI_ENVIRONMENT_INVALID, {detail: `CNI_COMMAND is ${quote(command)}`})
  }
}

function checkName(name: string, variables: CniMessage['variables'], pattern: RegExp): string {
  const value = variables[name]
  if (value !== undefined && pattern.test(value)) return value
  return fail(codes.CNI_ENVIRONMENT_INVALID, {detail: `${name} is ${quote(value)}`})
}

function checkNetns(command: CniCommand, path: string): string {
  if (path === '' && command === 'DEL') return ''
  if (path.startsWith('/') && !path.includes('\0')) return path
  return fail(codes.CNI_ENVIRONMENT_INVALID, {detail: `CNI_NETNS is ${quote(path)}, not a path`})
}

function parseConfig(input: string): Record<string, unknown> {
  let parsed: unknown
  try {
    parsed = JSON.parse(input)
  } catch (thrown) {
    return fail(codes.CNI_CONFIG_INVALID, {detail: (thrown as Error).message}, {cause: thrown})
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>
  return fail(codes.CNI_CONFIG_INVALID, {detail: 'it is not a JSON object'})
}

/** `K8S_POD_NAME=web;K8S_POD_NAMESPACE=default` */
function parseArgs(text: string): ReadonlyMap<string, string> {
  const args = new Map<string, string>()
  for (const part of text.split(';').filter((one) => one !== '')) {
    const equals = part.indexOf('=')
    if (equals < 1) fail(codes.CNI_ENVIRONMENT_INVALID, {detail: `CNI_ARGS has ${quote(part)} without a value`})
    args.set(part.slice(0, equals), part.slice(equals + 1))
  }
  return args
}

function previousAddresses(result: unknown): readonly string[] | undefined {
  const ips = (result as {ips?: unknown} | undefined)?.ips
  if (!Array.isArray(ips)) return undefined
  return ips
    .map((one: unknown) => (one as {address?: unknown} | null)?.address)
    .filter((address) => typeof address === 'string')
}

/**
 * Absent is not empty: without a list nothing is collected. Null is how runtimes in Go write an empty one,
 * and early runtimes use the other name, which the specification gave by mistake.
 */
function validAttachments(config: Record<string, unknown>): ReadonlySet<string> {
  const given =
    'cni.dev/valid-attachments' in config ? config['cni.dev/valid-attachments'] : config['cni.dev/attachments']
  const list = given ?? (given === null ? [] : undefined)
  if (!Array.isArray(list)) {
    return fail(codes.CNI_CONFIG_INVALID, {detail: 'GC needs the list cni.dev/valid-attachments'})
  }
  return new Set(
    list.map((one: unknown) => {
      const {containerID, ifname} = (one ?? {}) as {containerID?: unknown; ifname?: unknown}
      if (typeof containerID === 'string' && typeof ifname === 'string') return `${containerID}:${ifname}`
      return fail(codes.CNI_CONFIG_INVALID, {
        detail: 'an entry of cni.dev/valid-attachments lacks containerID or ifname',
      })
    }),
  )
}

function quote(value: string | undefined): string {
  return value === undefined ? 'missing' : JSON.stringify(value.slice(0, 100))
}
