/** What the end of a command means, in words. */
import type {Action, Expected} from './test.ts'
import type {CommandResult} from './test-cluster.ts'

export interface Judgement {
  readonly ok: boolean
  /** a word for the kind of failure, for counting */
  readonly cause?: Cause
  /** what happened, for a person */
  readonly text?: string
}

export type Cause =
  | 'dns'
  | 'refused'
  | 'timeout'
  | 'unreachable'
  | 'mtu'
  | 'http'
  | 'tls'
  | 'reset'
  | 'wrong'
  | 'command'
  | 'allowed'

/** How a connection ends that a policy denies: with nothing, or, where denials are answered, with a refusal. */
const denials: ReadonlySet<Cause> = new Set(['timeout', 'unreachable', 'refused'])

/** Judges the end of an action: its exit code first, then what its own check says. */
export function judge(action: Action, result: CommandResult, expected: Expected = 'passes'): Judgement {
  return expected === 'passes' ? judgePassed(action, result) : judgeDenied(action, result)
}

/** A name that cannot be resolved counts as denied where a name was asked for: so was DNS. */
function judgeDenied(action: Action, result: CommandResult): Judgement {
  const seen = judgePassed(action, result)
  if (seen.ok || seen.cause === 'wrong') {
    return {ok: false, cause: 'allowed', text: 'this was to be denied by policy, and was answered'}
  }
  const isName = !/^[\d.]+$|:/.test(action.to.address)
  if (seen.cause !== undefined && (denials.has(seen.cause) || (isName && seen.cause === 'dns'))) return {ok: true}
  return {...seen, text: `this was to be denied by policy, and ended otherwise: ${seen.text ?? 'no reason is known'}`}
}

function judgePassed(action: Action, result: CommandResult): Judgement {
  if (result.exitCode !== 0) {
    const failure =
      action.tool === 'ping' ? pingFailure(result) : action.tool === 'curl' ? curlFailure(result) : undefined
    return {ok: false, ...(failure ?? commandFailure(action, result))}
  }
  const problem = action.check?.(result)
  return problem === undefined ? {ok: true} : {ok: false, cause: 'wrong', text: problem}
}

type Failure = Pick<Judgement, 'cause' | 'text'>

/** The part of curl's own measurements that tells how far it got. */
interface CurlReport {
  readonly errormsg: string | null
  readonly http_code: number
  readonly remote_ip: string
  readonly time_namelookup: number
  readonly time_connect: number
  readonly size_download: number
}

/** @see https://curl.se/docs/manpage.html exit codes */
function curlFailure({exitCode, stderr}: CommandResult): Failure | undefined {
  const report = readCurlReport(stderr)
  const told = /failed: (.+)$/m.exec(stderr)?.[1] ?? ''
  const message = [told, report?.errormsg ?? ''].filter((part) => part !== '').join(', ')
  const said = message === '' ? '' : ` (curl ${exitCode}: ${message})`
  switch (exitCode) {
    case 6:
      return {cause: 'dns', text: `the name could not be resolved: DNS is not reachable or does not know it${said}`}
    case 7:
      if (/refused/i.test(message)) {
        return {
          cause: 'refused',
          text: `the connection was refused: the address is reached, nobody listens there${said}`,
        }
      }
      return {cause: 'unreachable', text: `the address could not be reached: no route or an ICMP error${said}`}
    case 18:
      return {cause: 'reset', text: `the answer broke off in the middle${said}`}
    case 22:
      return {cause: 'http', text: `the server answered with HTTP status ${report?.http_code ?? 'of an error'}${said}`}
    case 28:
      return timeoutFailure(report, message, said)
    case 35:
      return {cause: 'tls', text: `connected, but TLS could not be agreed on${said}`}
    case 52:
      return {cause: 'reset', text: `connected, and the server closed without an answer${said}`}
    case 55:
    case 56:
      return {cause: 'reset', text: `the connection was reset after it had been made${said}`}
    case 60:
      return {cause: 'tls', text: `the certificate of the server is not accepted${said}`}
    default:
      return undefined
  }
}

/** How far a connection got before its time was over says where packets are lost. */
function timeoutFailure(report: CurlReport | undefined, message: string, said: string): Failure {
  if (/resolving/i.test(message)) {
    return {cause: 'dns', text: `the name was not resolved in time: DNS does not answer${said}`}
  }
  if (report === undefined || report.time_connect === 0) {
    return {cause: 'timeout', text: `no answer to the connection: packets are dropped on the way there or back${said}`}
  }
  if (report.size_download > 0 || report.http_code === 0) {
    return {
      cause: 'mtu',
      text: `connected, then the answer stalled after ${report.size_download} bytes: small packets pass and large ones are lost (MTU?)${said}`,
    }
  }
  return {cause: 'timeout', text: `connected, but the answer did not come in time${said}`}
}

function readCurlReport(stderr: string): CurlReport | undefined {
  const json = stderr.split('\n').findLast((line) => line.startsWith('{'))
  try {
    return json === undefined ? undefined : (JSON.parse(json) as CurlReport)
  } catch {
    return undefined
  }
}

function pingFailure({exitCode, stdout, stderr}: CommandResult): Failure | undefined {
  const all = `${stdout}\n${stderr}`
  const narrow = /(?:message too long|Frag(?:mentation)? needed|Packet too big)[^\n]*?mtu[ =]+(\d+)/i.exec(all)
  if (narrow !== null)
    return {
      cause: 'mtu',
      text: `the path lets packets of ${narrow[1]} bytes pass at most, which is less than the pod's MTU`,
    }
  if (/message too long/i.test(all)) return {cause: 'mtu', text: "the packet is larger than the pod's own MTU"}
  if (/unreachable|prohibited|administratively/i.test(all)) {
    const line = /^From .*$/m.exec(all)?.[0] ?? ''
    return {cause: 'unreachable', text: `the address is not reachable (${line.trim()})`}
  }
  if (/name or service not known|failure in name resolution/i.test(all)) {
    return {cause: 'dns', text: 'the name could not be resolved'}
  }
  if (exitCode === 1)
    return {cause: 'timeout', text: 'no answer to ICMP echo: packets are dropped on the way there or back'}
  return undefined
}

function commandFailure({command}: Action, {exitCode, stderr, stdout}: CommandResult): Failure {
  const said = (stderr.trim() || stdout.trim()).split('\n').slice(-1)[0] ?? ''
  return {cause: 'command', text: `${command[0]} ended with exit code ${exitCode}${said === '' ? '' : `: ${said}`}`}
}
