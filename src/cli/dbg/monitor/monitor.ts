import {DeviceNames} from './device-names.ts'
import {monitorJson} from './event-json.ts'
import {monitorLine} from './event-text.ts'
import {isWanted, type MonitorFilter} from './filter.ts'
import {listenToMonitor} from './listen.ts'

export interface MonitorView {
  readonly json: boolean
  readonly numeric: boolean
  readonly verbosity: number
  readonly hex: boolean
  readonly filter: MonitorFilter
  /** path of the socket; the agent's when absent */
  readonly socket: string | undefined
  readonly signal: AbortSignal
  /** the connection is there */
  readonly onStart: (cpus: number) => void
  /** resolves when there is room for more */
  readonly write: (line: string) => Promise<void>
}

/** Shows events until Ctrl-C or the end of the agent. */
export async function showMonitor(view: MonitorView): Promise<void> {
  const devices = new DeviceNames()
  const deviceName = (ifindex: number) => devices.of(ifindex)
  for await (const item of listenToMonitor(view.socket, view.signal)) {
    if (item.kind === 'hello') view.onStart(item.hello.cpus)
    if (!isWanted(item, view.filter)) continue
    const {numeric, verbosity, hex} = view
    const line = view.json ? monitorJson(item) : monitorLine(item, {numeric, verbosity, hex, deviceName})
    if (line !== undefined) await view.write(line)
  }
}
