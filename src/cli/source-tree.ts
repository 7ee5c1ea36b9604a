import {existsSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import type {Command} from '@oclif/core'
import type {CommandManifest, CommandSource} from './program.ts'

/**
 * Commands as they lie in a checkout: the committed manifest says what there is, the file of a command is imported when
 * it is run. A file that the manifest does not know yet is found as well.
 *
 * @param root folder that holds oclif.manifest.json and src/commands
 */
export function sourceTree(root: string): CommandSource {
  const manifest = JSON.parse(readFileSync(join(root, 'oclif.manifest.json'), 'utf8')) as CommandManifest
  return {
    manifest,
    root,
    async load(id) {
      const path = commandFile(root, id)
      if (path === undefined) return undefined
      const loaded = (await import(pathToFileURL(path).href)) as {default: Command.Class}
      return loaded.default
    },
  }
}

function commandFile(root: string, id: string): string | undefined {
  const base = join(root, 'src/commands', ...id.split(':'))
  return [`${base}.ts`, join(base, 'index.ts')].find((path) => existsSync(path))
}
