/**
 * Writes oclif.manifest.json: what can be typed, with all flags, read from the command classes. Programs start from it
 * without touching a command file, and it is committed: its diff shows every change of the command surface.
 *
 *     node scripts/build-manifest.ts           write it
 *     node scripts/build-manifest.ts --check   fail when the committed one is out of date
 */
import {globSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath, pathToFileURL} from 'node:url'
import {type Command, Plugin} from '@oclif/core'

const root = fileURLToPath(new URL('..', import.meta.url))
const commandsFolder = 'src/commands'

/** A command file and the id it stands for: lab/up.ts is `lab:up`, status/index.ts is `status`. */
export interface CommandFile {
  readonly id: string
  /** relative to the repository */
  readonly path: string
}

/** All command files, sorted by id. The file path is the command. */
export function commandFiles(): readonly CommandFile[] {
  return globSync('**/*.ts', {cwd: join(root, commandsFolder)})
    .map((file) => ({
      id: file
        .replace(/\.ts$/, '')
        .replace(/\/index$/, '')
        .replaceAll('/', ':'),
      path: `${commandsFolder}/${file}`,
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
}

/** The text of oclif.manifest.json as the command classes are now. */
export async function manifestText(): Promise<string> {
  const {version} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {version: string}
  const classes: Record<string, Command.Class> = {}
  for (const {id, path} of commandFiles()) {
    const loaded = (await import(pathToFileURL(join(root, path)).href)) as {default?: Command.Class}
    if (loaded.default === undefined) throw new Error(`${path} has no default export`)
    classes[id] = loaded.default
  }
  const plugin = new Plugin({
    root,
    isRoot: true,
    ignoreManifest: true,
    errorOnManifestCreate: true,
    pjson: {
      name: 'cilium',
      version,
      type: 'module',
      oclif: {commands: {strategy: 'explicit', target: 'none'}},
    } as never,
  })
  Object.assign(plugin, {commandCache: classes})
  await plugin.load()
  const commands = Object.fromEntries(
    Object.entries(plugin.manifest.commands)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, {pluginAlias: _a, pluginName: _n, pluginType: _t, ...command}]) => [id, command]),
  )
  return `${JSON.stringify({version, commands}, null, 2)}\n`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const file = join(root, 'oclif.manifest.json')
  const text = await manifestText()
  if (!process.argv.includes('--check')) writeFileSync(file, text)
  else if (readFileSync(file, 'utf8') !== text) {
    console.error('oclif.manifest.json is out of date: run "npm run manifest"')
    process.exitCode = 1
  }
}
