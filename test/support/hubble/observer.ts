/** A real Observer server of a node, whose ring the test fills instead of a kernel. */
import {mkdtempSync, rmSync} from 'node:fs'
import {type AddressInfo, createServer} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {type Event, eventCodec, eventZero} from '../../../src/datapath/gen/types.ts'
import type {NameChanges} from '../../../src/hubble/flow/name-table.ts'
import type {EventSource} from '../../../src/hubble/observe/event-pump.ts'
import type {TlsFiles} from '../../../src/hubble/server/listen.ts'
import {NodeServer} from '../../../src/hubble/server/node-server.ts'
import {Ip} from '../../../src/model/ip.ts'

export type EventInput = Partial<Omit<Event, 'src' | 'dst'>> & {readonly from: string; readonly to: string}

class Ring implements EventSource {
  #waiting: EventInput[] = []
  readonly #view = new DataView(new ArrayBuffer(eventCodec.size))
  readonly isCrowded = false
  readonly capacity = 2 ** 22
  lost = 0

  write(...events: readonly EventInput[]): void {
    const now = process.hrtime.bigint()
    for (const one of events) this.#waiting.push({time: now, ...one})
  }

  poll(handler: (view: DataView, offset: number, length: number) => void): number {
    const events = this.#waiting
    this.#waiting = []
    for (const {from, to, ...rest} of events) {
      const event: Event = {
        ...eventZero,
        version: 1,
        type: 4,
        proto: 6,
        sport: 40_000,
        dport: 80,
        src: Ip.of(from).toMappedBytes(),
        dst: Ip.of(to).toMappedBytes(),
        flags: from.includes(':') ? 1 : 0,
        ...rest,
      }
      eventCodec.encode(event, this.#view, 0)
      handler(this.#view, 0, eventCodec.size)
    }
    return events.length
  }

  counts() {
    return {written: 0, lost: this.lost}
  }
}

export interface TestObserver extends Disposable {
  readonly ring: Ring
  /** for gRPC: unix:///… */
  readonly target: string
  /** with TLS, when asked for; else 0 */
  readonly port: number
  tell(changes: NameChanges): void
  /** ends it as a relay that goes away; `start` brings it back at the same place */
  stop(): void
  start(): Promise<void>
}

export async function startObserver(
  options: {readonly capacity?: number; readonly tls?: TlsFiles} = {},
): Promise<TestObserver> {
  const folder = mkdtempSync(join(tmpdir(), 'hubble-observer-'))
  const socketPath = join(folder, 'hubble.sock')
  const ring = new Ring()
  const told: NameChanges[] = []
  let server: NodeServer | undefined
  const port = options.tls === undefined ? 0 : await freePort()
  const observer: TestObserver = {
    ring,
    target: `unix://${socketPath}`,
    port,
    tell(changes) {
      told.push(changes)
      server?.hear({kind: 'names', changes})
    },
    stop() {
      server?.stop()
      server = undefined
    },
    async start() {
      server = new NodeServer(
        {
          clusterName: 'default',
          nodeName: 'node1',
          version: '1.0.0',
          capacity: options.capacity ?? 16_383,
          pinRoot: '',
          socketPath,
          monitorPath: join(folder, 'monitor.sock'),
          listenAddress: port === 0 ? '' : `127.0.0.1:${port}`,
          tls: options.tls,
          exports: [],
          flowLogsPath: '',
          metrics: {specs: [], address: ''},
        },
        ring,
      )
      for (const changes of told) server.hear({kind: 'names', changes})
      await server.start()
    },
    [Symbol.dispose]() {
      observer.stop()
      rmSync(folder, {recursive: true, force: true})
    },
  }
  await observer.start()
  return observer
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const {port} = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
