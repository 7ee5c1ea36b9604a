/** Where exported flows go. */
import {GetFlowsResponse} from '../../api/gen/observer.ts'
import {messageToJson} from '../../api/wire/json.ts'
import type {RotatingFile} from './rotating-file.ts'

export interface FlowSink {
  /** Takes flows; must not wait. @throws when they cannot be written */
  write(responses: readonly GetFlowsResponse[]): void
  close(): Promise<void>
}

/** Lines of JSON, whole ones. */
export function lineSink(write: (lines: string) => void, close: () => Promise<void> = async () => {}): FlowSink {
  return {
    write(responses) {
      let lines = ''
      for (const response of responses) lines += `${JSON.stringify(messageToJson(GetFlowsResponse, response))}\n`
      write(lines)
    },
    close,
  }
}

/** Lines of JSON in files that are set aside when they are full. */
export function fileSink(file: RotatingFile): FlowSink {
  return lineSink(
    (lines) => file.write(lines),
    () => file.close(),
  )
}
