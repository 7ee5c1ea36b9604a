/** What all handlers of gRPC share: ends, errors, and readers that take their time. */
import {Metadata, type ServerWritableStream, type StatusObject, status} from '@grpc/grpc-js'
import {CiliumError, hasCode} from '../../runtime/errors.ts'
import {FLOW_FILTER_INVALID} from '../filter/errors.ts'

/** The error as clients see it: what they typed wrong is INVALID_ARGUMENT. */
export function grpcError(thrown: unknown): Partial<StatusObject> & Error {
  const error = CiliumError.from(thrown)
  const code = hasCode(error, FLOW_FILTER_INVALID) ? status.INVALID_ARGUMENT : status.INTERNAL
  return Object.assign(new Error(error.message), {code, details: error.message})
}

export function refuse(code: status, details: string): Partial<StatusObject> & Error {
  return Object.assign(new Error(details), {code, details})
}

export function versionHeader(name: string, version: string): Metadata {
  const metadata = new Metadata()
  metadata.set(name, version)
  return metadata
}

/** Aborted when the client leaves. */
export function signalOf(call: {
  on(event: 'cancelled' | 'error' | 'close', listener: () => void): unknown
}): AbortSignal {
  const abort = new AbortController()
  const end = () => abort.abort()
  call.on('cancelled', end)
  call.on('error', end)
  call.on('close', end)
  return abort.signal
}

/** Writes, and waits while the client has enough to read. */
export async function send<T>(call: ServerWritableStream<unknown, T>, value: T, signal: AbortSignal): Promise<void> {
  if (call.write(value) || signal.aborted) return
  await new Promise<void>((resolve) => {
    const done = () => {
      call.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    call.once('drain', done)
    signal.addEventListener('abort', done, {once: true})
  })
}

/** Runs a stream to its end. */
export function stream<Request, Response>(
  call: ServerWritableStream<Request, Response>,
  answer: (signal: AbortSignal) => Promise<void>,
): void {
  const signal = signalOf(call)
  answer(signal).then(
    () => call.end(),
    (thrown: unknown) =>
      call.emit(
        'error',
        thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'number' ? thrown : grpcError(thrown),
      ),
  )
}
