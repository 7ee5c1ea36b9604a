/** `cilium hubble port-forward` and `cilium hubble ui`: a local port that leads on until Ctrl-C. */
import {spawn} from 'node:child_process'
import type {ClusterOptions} from '../cluster-options.ts'
import {forwardService} from './port-forward.ts'

export interface ForwardRun {
  readonly cluster: ClusterOptions
  readonly service: 'hubble-relay' | 'hubble-ui'
  readonly localPort: number
  readonly signal: AbortSignal
  /** told once connections are taken */
  readonly onOpen: (localPort: number) => Promise<void>
  /** told of each connection that could not be led on */
  readonly onProblem: (text: string) => void
}

/** Ends with Ctrl-C. @throws HUBBLE_SERVICE_MISSING, HUBBLE_SERVICE_EMPTY, K8S_PORT_TAKEN */
export async function runForward({cluster, service, localPort, signal, onOpen, onProblem}: ForwardRun): Promise<void> {
  const onError = (error: Error) => onProblem(`a connection was lost: ${error.message}`)
  const forward = await forwardService({cluster, service, localPort, onError})
  try {
    await onOpen(forward.localPort)
    if (!signal.aborted) {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), {once: true}))
    }
  } finally {
    await forward.close()
  }
}

/** Shows an address in the user's browser. Resolves to whether something could be started for it. */
export function openBrowser(url: string): Promise<boolean> {
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open'
  return new Promise((resolve) => {
    const child = spawn(program, [url], {stdio: 'ignore', detached: true})
    child.once('error', () => resolve(false))
    child.once('exit', (code) => resolve(code === 0))
    child.once('spawn', () => {
      child.unref()
      // a browser that was not running yet stays in the foreground
      setTimeout(() => resolve(true), 3_000).unref()
    })
  })
}
