/** One probe of one address: HTTP to the responder, ICMP echo to the stack. */
import {get} from 'node:http'
import {KernelError} from '../../kernel/errors.ts'
import {echo} from '../../kernel/ping-socket.ts'
import type {Ip} from '../../model/ip.ts'

export interface ProbeResult {
  /** empty: reached */
  readonly failure: string
  readonly latencyNs: number
}

const httpMs = 10_000
const icmpMs = 5_000

/** `GET http://<ip>:<port>/hello` on a connection of its own. */
export function probeHttp(ip: Ip, port: number): Promise<ProbeResult> {
  const began = performance.now()
  return new Promise((resolve) => {
    const done = (failure: string) => resolve({failure, latencyNs: Math.round((performance.now() - began) * 1e6)})
    const request = get({host: String(ip), port, path: '/hello', agent: false, timeout: httpMs}, (response) => {
      response.resume()
      response.on('end', () => done(response.statusCode === 200 ? '' : `HTTP status ${response.statusCode}`))
      response.on('error', (error) => done(error.message))
    })
    request.on('timeout', () => request.destroy(new Error('Connection timed out')))
    request.on('error', (error) => done(error.message))
  })
}

/** One echo of the stack. */
export async function probeIcmp(ip: Ip): Promise<ProbeResult> {
  try {
    return {failure: '', latencyNs: await echo(ip, icmpMs)}
  } catch (thrown) {
    if (!(thrown instanceof KernelError)) throw thrown
    return {failure: thrown.errno === 'ETIMEDOUT' ? 'Connection timed out' : thrown.message, latencyNs: 0}
  }
}
