/** Runs the system's own tools (ip, ctr, go, apt-get) and says plainly what went wrong. */
import {spawn} from 'node:child_process'
import {fail} from '../runtime/errors.ts'
import {LAB_COMMAND_FAILED} from './errors.ts'

export interface ToolOptions {
  /** text for its stdin; closed at once when absent */
  readonly input?: string
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  readonly signal?: AbortSignal
  /** the cgroup folder to run in, so that nothing it starts outlives the lab */
  readonly cgroup?: string
  /** called with each line of stderr */
  readonly onLine?: (line: string) => void
}

/** Output kept of one stream; enough for any listing that we read. */
const outputLimit = 16 * 1024 * 1024

/**
 * Runs a tool to its end.
 *
 * @returns its stdout
 * @throws LAB_COMMAND_FAILED with the last lines of stderr
 */
export async function runTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<string> {
  const result = await tryTool(command, args, options)
  if (result.status !== 0) {
    fail(LAB_COMMAND_FAILED, {
      command: [command, ...args].join(' ').slice(0, 200),
      status: result.status ?? result.signal ?? 'no status',
      detail: tail(result.stderr || result.stdout),
    })
  }
  return result.stdout
}

export interface ToolResult {
  /** undefined when a signal ended it */
  readonly status: number | undefined
  readonly signal: string | undefined
  readonly stdout: string
  readonly stderr: string
}

/** Like runTool, for callers to whom an exit code is an answer. @throws LAB_COMMAND_FAILED when it cannot be started */
export function tryTool(command: string, args: readonly string[], options: ToolOptions = {}): Promise<ToolResult> {
  const [file, ...rest] =
    options.cgroup === undefined ? [command, ...args] : insideCgroup(options.cgroup, [command, ...args])
  return new Promise((resolve, reject) => {
    options.signal?.throwIfAborted()
    const child = spawn(file!, rest, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.env === undefined ? {} : {env: options.env}),
      ...(options.cwd === undefined ? {} : {cwd: options.cwd}),
      ...(options.signal === undefined ? {} : {signal: options.signal}),
    })
    let stdout = ''
    let stderr = ''
    let line = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout.length < outputLimit) stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-outputLimit)
      if (options.onLine === undefined) return
      const lines = (line + text).split('\n')
      line = lines.pop()!.slice(-4096)
      for (const one of lines) options.onLine(one)
    })
    child.on('error', (cause) => {
      if (cause.name === 'AbortError') return reject(options.signal?.reason ?? cause)
      try {
        fail(LAB_COMMAND_FAILED, {command, status: 'no start', detail: cause.message}, {cause})
      } catch (thrown) {
        reject(thrown)
      }
    })
    child.on('close', (status, signal) => {
      resolve({status: status ?? undefined, signal: signal ?? undefined, stdout, stderr})
    })
    // A tool that ends without reading its input is judged by its exit code.
    child.stdin.on('error', () => {})
    child.stdin.end(options.input ?? '')
  })
}

/** The argv that joins a cgroup before anything else happens; ends with an error when the cgroup is gone. */
export function insideCgroup(folder: string, argv: readonly string[]): readonly string[] {
  return ['/bin/sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder, ...argv]
}

/** The end of a text in one line, without control characters. */
export function tail(text: string, lines = 3): string {
  const kept = text.trimEnd().split('\n').slice(-lines).join(' | ')
  return kept.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ').slice(-500)
}
