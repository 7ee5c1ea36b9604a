import {spawn} from 'node:child_process'
import {text} from 'node:stream/consumers'
import {fileURLToPath} from 'node:url'

export interface ProgramResult {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number | null
}

const binFolder = fileURLToPath(new URL('../../../bin/', import.meta.url))

/** Runs one of our programs as a user would, its output going to pipes. */
export async function runProgram(
  program: 'cilium' | 'hubble' | 'cilium-dbg',
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>
    readonly onStart?: (pid: number) => void
    readonly onOutput?: (text: string) => void
  } = {},
): Promise<ProgramResult> {
  const {NODE_ENV: _, FORCE_COLOR: __, ...env} = process.env
  const child = spawn(process.execPath, [`${binFolder}${program}.js`, ...args], {
    env: {...env, ...options.env},
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  options.onStart?.(child.pid!)
  if (options.onOutput !== undefined) child.stdout.on('data', (data) => options.onOutput!(String(data)))
  const exit = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exit])
  return {stdout, stderr, exitCode}
}
