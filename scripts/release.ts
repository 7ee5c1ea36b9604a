import {execFileSync} from 'node:child_process'
import {readFileSync} from 'node:fs'
import {fileURLToPath} from 'node:url'

/** What is being built: the numbers that end up in `version` outputs, image names and time stamps. */
export interface Release {
  readonly version: string
  /** short commit, with `-dirty` when the tree differs from it; `unknown` outside a git checkout */
  readonly commit: string
  /** seconds since 1970 of that commit, or SOURCE_DATE_EPOCH: the only clock that a build reads */
  readonly epoch: number
}

/** The repository's folder, with a slash at the end. */
export const repositoryRoot = fileURLToPath(new URL('..', import.meta.url))

/** Reads version, commit and time of the checkout. The same inputs give the same answer. */
export function readRelease(): Release {
  const {version} = JSON.parse(readFileSync(`${repositoryRoot}package.json`, 'utf8')) as {version: string}
  const head = git('rev-parse', '--short=12', 'HEAD')
  const dirty = head !== undefined && git('status', '--porcelain', '--untracked-files=no') !== ''
  const epoch = Number(process.env['SOURCE_DATE_EPOCH'] ?? git('log', '-1', '--format=%ct') ?? 0)

  return {version, commit: head === undefined ? 'unknown' : dirty ? `${head}-dirty` : head, epoch}
}

function git(...args: string[]): string | undefined {
  try {
    return execFileSync('git', args, {
      cwd: repositoryRoot,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
  } catch {
    return undefined // not a checkout, or no git: the release says `unknown`
  }
}
