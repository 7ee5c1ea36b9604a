/** A process in a network namespace that talks to others: what a pod's workload does. */
import {type ChildProcess, spawn} from 'node:child_process'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {patience} from '../eventually.ts'
import type {PodOrder, PodReport} from './pod-program.ts'

const program = new URL('./pod-program.ts', import.meta.url).pathname

export interface StreamReport {
  readonly sent: number
  readonly received: number
  /** lines that came out of order */
  readonly out: number
  readonly broken?: string
}

export class PodProcess {
  private readonly child: ChildProcess
  private readonly waiting = new Map<number, {resolve: (value: unknown) => void; reject: (error: Error) => void}>()
  private next = 1

  /**
   * @param netns path of the namespace
   * @param cgroup folder of the cgroup that it joins
   */
  constructor(netns: string, cgroup?: string) {
    this.child = spawn('nsenter', [`--net=${netns}`, process.execPath, program], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: {...process.env, NODE_NO_WARNINGS: '1'},
    })
    if (cgroup !== undefined) writeFileSync(join(cgroup, 'cgroup.procs'), String(this.child.pid))
    this.child.on('message', ({id, result, error}: PodReport) => {
      const order = this.waiting.get(id)
      this.waiting.delete(id)
      if (error === undefined) order?.resolve(result)
      else order?.reject(new Error(error))
    })
    this.child.on('exit', () => {
      for (const {reject} of this.waiting.values()) reject(new Error('the pod process ended'))
    })
  }

  /** Echoes TCP and UDP on this port; `who` is answered with the peer's address. */
  serve(port = 8080): Promise<void> {
    return this.order({do: 'serve', port}) as Promise<void>
  }

  tcp(host: string, text: string, port = 8080, timeoutMs = 3000 * patience): Promise<string> {
    return this.order({do: 'tcp', host, port, text, timeoutMs}) as Promise<string>
  }

  udp(host: string, text: string, port = 8080, timeoutMs = 3000 * patience): Promise<string> {
    return this.order({do: 'udp', host, port, text, timeoutMs}) as Promise<string>
  }

  /** Who a connected TCP socket says its peer is, and from whom an answer to an unconnected UDP socket comes. */
  peerOf(host: string, port: number): Promise<{readonly tcp: string; readonly udp: string}> {
    return this.order({do: 'peer', host, port}) as Promise<{readonly tcp: string; readonly udp: string}>
  }

  startStream(host: string, port = 8080): Promise<void> {
    return this.order({do: 'stream', host, port}) as Promise<void>
  }

  /** Connects, and keeps that open. */
  hold(protocol: 'tcp' | 'udp', host: string, port: number): Promise<void> {
    return this.order({do: 'hold', protocol, host, port}) as Promise<void>
  }

  /** What became of each that is held, by `tcp HOST PORT`: '' while it is open. */
  held(): Promise<Readonly<Record<string, string>>> {
    return this.order({do: 'held'}) as Promise<Readonly<Record<string, string>>>
  }

  /** '' or why it may not listen there. */
  listen(protocol: 'tcp' | 'udp', host: string, port: number): Promise<string> {
    return this.order({do: 'listen', protocol, host, port}) as Promise<string>
  }

  /** One datagram socket asks all of these: from whom each answer comes, in the order asked. */
  askAll(ends: readonly {readonly host: string; readonly port: number}[]): Promise<readonly string[]> {
    return this.order({do: 'ask-all', ends}) as Promise<readonly string[]>
  }

  streamReport(): Promise<StreamReport> {
    return this.order({do: 'stream-report'}) as Promise<StreamReport>
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = new Promise((resolve) => this.child.once('exit', resolve))
    this.child.kill('SIGKILL')
    await gone
  }

  private order(order: DistributiveOmit<PodOrder, 'id'>): Promise<unknown> {
    const id = this.next++
    return new Promise((resolve, reject) => {
      this.waiting.set(id, {resolve, reject})
      this.child.send({id, ...order})
    })
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
