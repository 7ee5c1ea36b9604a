import {existsSync} from 'node:fs'
import {readdir} from 'node:fs/promises'
import {relative} from 'node:path'
import type {TarEntry} from './tar.ts'

/** The files below a folder as entries below `target`. A folder that does not exist has none. */
export async function folderEntries(
  folder: string,
  target: string,
  wanted: (path: string) => boolean,
): Promise<TarEntry[]> {
  if (!existsSync(folder)) return []
  const found = await readdir(folder, {recursive: true, withFileTypes: true})
  return found
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, `${entry.parentPath}/${entry.name}`))
    .filter(wanted)
    .map((path) => ({path: `${target}/${path}`, kind: 'file', mode: 0o644, content: {file: `${folder}/${path}`}}))
}

/** Every folder that entries lie in, so that a layer never depends on what a runtime makes of missing parents. */
export function parentFolders(entries: readonly TarEntry[]): TarEntry[] {
  const folders = new Set<string>()
  for (const {path} of entries) {
    for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) folders.add(path.slice(0, cut))
  }
  return [...folders].map((path) => ({path, kind: 'folder', mode: 0o755}))
}

/**
 * A program on PATH that becomes a bundled process. Node's warnings stay silent: whoever executes a tool in a pod
 * takes any byte on its standard error for a failure.
 */
export function wrapper(path: string, bundled: string): TarEntry {
  const script = `#!/bin/sh\nexec /usr/bin/node --disable-warning=ExperimentalWarning --disable-warning=DeprecationWarning /usr/lib/cilium/${bundled}.js "$@"\n`
  return {path, kind: 'file', mode: 0o755, content: Buffer.from(script)}
}
