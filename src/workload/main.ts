/**
 * The workload that connectivity tests run in pods: any mix of HTTP, TCP, UDP and DNS servers in one process.
 *
 *     test-workload --http 8080 --http 80 --tcp-echo 9000 --udp-echo 9000 --dns 53 --record name.test=10.0.0.1
 *     test-workload --http 8080 --stream udp,10.0.0.1,9000 --stream tcp,fd00::1,9000 --stream-every 5
 *     test-workload --http 8080 --dial tcp,10.96.0.10,9000 --dial-every 50
 *
 * Without arguments it serves HTTP on $PORT, or 8080. It says `ready` once everything listens.
 */
import {isIP} from 'node:net'
import {parseArgs} from 'node:util'
import {CiliumError, fail} from '../runtime/errors.ts'
import {exitCodes} from '../runtime/exit-codes.ts'
import {tcpEcho, udpEcho} from './byte-echo.ts'
import {Dial, type DialTarget} from './dial.ts'
import {dnsOverTcp, dnsOverUdp, type Zone} from './dns-server.ts'
import {WORKLOAD_FLAG_INVALID} from './errors.ts'
import {httpEcho} from './http-echo.ts'
import {listenDualStack} from './listen.ts'
import {Stream, type StreamTarget} from './stream.ts'

export interface WorkloadPlan {
  readonly http: readonly number[]
  readonly tcpEcho: readonly number[]
  readonly udpEcho: readonly number[]
  readonly dns: readonly number[]
  readonly zone: Zone
  /** numbered traffic to echo servers elsewhere */
  readonly streams: readonly StreamTarget[]
  readonly streamEveryMs: number
  /** short conversations with echo servers elsewhere */
  readonly dials: readonly DialTarget[]
  readonly dialEveryMs: number
}

/**
 * Reads the command line.
 *
 * @param defaultPort HTTP port when no server is asked for
 */
export function parseWorkloadFlags(argv: readonly string[], defaultPort = 8080): WorkloadPlan {
  const port = {type: 'string', multiple: true} as const
  const {values} = parseArgs({
    args: [...argv],
    options: {
      http: port,
      'tcp-echo': port,
      'udp-echo': port,
      dns: port,
      record: port,
      stream: port,
      'stream-every': {type: 'string'},
      dial: port,
      'dial-every': {type: 'string'},
    },
  })
  const ports = (flag: 'http' | 'tcp-echo' | 'udp-echo' | 'dns') =>
    (values[flag] ?? []).map((text) => toPort(flag, text))
  const plan = {http: ports('http'), tcpEcho: ports('tcp-echo'), udpEcho: ports('udp-echo'), dns: ports('dns')}
  const isEmpty = Object.values(plan).every((list) => list.length === 0)
  return {
    ...plan,
    http: isEmpty ? [defaultPort] : plan.http,
    zone: toZone(values.record ?? []),
    streams: (values.stream ?? []).map(toStream),
    streamEveryMs: toInterval('stream-every', values['stream-every'] ?? '10'),
    dials: (values.dial ?? []).map(toDial),
    dialEveryMs: toInterval('dial-every', values['dial-every'] ?? '50'),
  }
}

/** Starts all servers of a plan; resolves when they listen. */
export async function serve(plan: WorkloadPlan): Promise<void> {
  for (const port of plan.tcpEcho) await listenDualStack(tcpEcho(), port)
  for (const port of plan.udpEcho) await bothFamilies((family) => udpEcho(port, family))
  for (const port of plan.dns) {
    await listenDualStack(dnsOverTcp(plan.zone), port)
    await bothFamilies((family) => dnsOverUdp(plan.zone, port, family))
  }
  const streams = plan.streams.map((target) => new Stream(target, plan.streamEveryMs))
  const dials = plan.dials.map((target) => new Dial(target, plan.dialEveryMs))
  for (const port of plan.http) await listenDualStack(httpEcho(streams, dials), port)
}

/** Entry of the `test-workload` process. */
export async function main(argv: readonly string[], environment: NodeJS.ProcessEnv): Promise<void> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(0)) // PID 1 has no defaults
  const {PORT} = environment
  try {
    await serve(parseWorkloadFlags(argv, PORT === undefined ? 8080 : toPort('PORT', PORT)))
    console.log('ready')
  } catch (thrown) {
    const {code, message, advice} = CiliumError.from(thrown)
    console.error(`error ${code}  ${message}\n  try: ${advice}`)
    process.exit(exitCodes.failed)
  }
}

async function bothFamilies(start: (family: 'udp4' | 'udp6') => Promise<unknown>): Promise<void> {
  await start('udp4')
  try {
    await start('udp6')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EAFNOSUPPORT') throw thrown // a kernel without IPv6
  }
}

function toPort(flag: string, text: string): number {
  const port = Number(text)
  return Number.isInteger(port) && port > 0 && port < 65536
    ? port
    : fail(WORKLOAD_FLAG_INVALID, {flag, value: text, expected: 'a port from 1 to 65535'})
}

function toStream(text: string): StreamTarget {
  const [protocol = '', address = '', port = ''] = text.split(',')
  if ((protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'connect') || isIP(address) === 0) {
    return fail(WORKLOAD_FLAG_INVALID, {flag: 'stream', value: text, expected: 'tcp|udp|connect,ADDRESS,PORT'})
  }
  return {protocol, address, port: toPort('stream', port)}
}

function toDial(text: string): DialTarget {
  const [protocol = '', address = '', port = ''] = text.split(',')
  if ((protocol !== 'tcp' && protocol !== 'udp') || isIP(address) === 0) {
    return fail(WORKLOAD_FLAG_INVALID, {flag: 'dial', value: text, expected: 'tcp|udp,ADDRESS,PORT'})
  }
  return {protocol, address, port: toPort('dial', port)}
}

function toInterval(flag: string, text: string): number {
  const ms = Number(text)
  return Number.isInteger(ms) && ms > 0 && ms <= 10_000
    ? ms
    : fail(WORKLOAD_FLAG_INVALID, {flag, value: text, expected: 'milliseconds from 1 to 10000'})
}

function toZone(records: readonly string[]): Zone {
  const zone = new Map<string, string[]>()
  for (const record of records) {
    const [name = '', address = ''] = record.split('=')
    if (name === '' || isIP(address) === 0) {
      fail(WORKLOAD_FLAG_INVALID, {flag: 'record', value: record, expected: 'NAME=ADDRESS'})
    }
    const key = name.toLowerCase()
    zone.set(key, [...(zone.get(key) ?? []), address])
  }
  return zone
}
