/** The monitor of an agent without Hubble: the rings are read here, and only while somebody listens. */
import {basename, join} from 'node:path'
import {MonitorServer} from '../../api/monitor-server.ts'
import {monitorSocket} from '../../api/monitor-stream.ts'
import {EventStream} from '../../datapath/events.ts'
import {EVENT_VERSION} from '../../datapath/gen/constants.ts'
import {eventCodec, eventSampleCodec} from '../../datapath/gen/types.ts'
import {pinnedMaps} from '../../datapath/maps/open.ts'
import {machineClocks} from '../../hubble/observe/boot-clock.ts'
import type {AgentConfig} from '../config.ts'
import {payloadBytes} from '../node/datapath-config.ts'

export class MonitorPart {
  readonly #config: AgentConfig
  #stream: EventStream | undefined
  #server: MonitorServer | undefined

  constructor(config: AgentConfig) {
    this.#config = config
  }

  async start(): Promise<void> {
    this.#stream = new EventStream(pinnedMaps(join(this.#config['bpf-root'], 'cilium')))
    const {boot} = machineClocks()
    this.#server = new MonitorServer({
      source: this.#stream,
      eventVersion: EVENT_VERSION,
      eventBytes: eventCodec.size,
      recordBytes: payloadBytes(this.#config) > 0 ? eventSampleCodec.size : eventCodec.size,
      bootTimeNs: boot,
    })
    await this.#server.listen(join(this.#config['state-dir'], basename(monitorSocket)))
  }

  async stop(): Promise<void> {
    await this.#server?.close()
    this.#stream?.close()
  }
}
