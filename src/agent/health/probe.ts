/** One probe of one address: HTTP to the responder, ICMP echo to the stack. */
import {execFile} from 'node:child_process'
import {get} from 'node:http'
import type {Ip} from '../../model/ip.ts'

export interface ProbeResult {
  /** empty: reached */
  readonly failure: string
  readonly latencyNs: number
}

const httpMs = 10_000
const icmpSeconds = 5

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

/** One echo by the image's ping. @returns undefined when there is no ping here: nothing is known then */
export function probeIcmp(ip: Ip): Promise<ProbeResult | undefined> {
  const args = ['-n', '-c', '1', '-W', String(icmpSeconds), String(ip)]
  return new Promise((resolve) => {
    execFile('ping', args, {timeout: (icmpSeconds + 2) * 1000}, (error, stdout, stderr) => {
      const [, ms] = /time[=<]([\d.]+) ms/.exec(stdout) ?? []
      if (error?.code === 'ENOENT') resolve(undefined)
      else if (error === null && ms !== undefined) resolve({failure: '', latencyNs: Math.round(Number(ms) * 1e6)})
      else resolve({failure: whyNoEcho(stderr), latencyNs: 0})
    })
  })
}

/** Without a word of its own, ping has waited in vain (ping(8): exit code 1); otherwise it could not even ask. */
function whyNoEcho(stderr: string): string {
  const last = stderr.trim().split('\n').at(-1) ?? ''
  return last === '' ? 'Connection timed out' : last.slice(0, 200)
}
