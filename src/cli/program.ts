/**
 * The three command line programs are one tree of commands seen from three roots: `hubble observe` is
 * `cilium hubble observe`, `cilium-dbg status` is `cilium dbg status`.
 */
import {type Command, Config, Help, Plugin} from '@oclif/core'
import {fail} from '../runtime/errors.ts'
import {exitCodes} from '../runtime/exit-codes.ts'
import {reportError} from './error-report.ts'
import {COMMAND_BROKEN, COMMAND_UNKNOWN} from './errors.ts'
import {globalFlagsFirst} from './global-flags.ts'
import {nearest} from './suggestion.ts'
import {topics} from './topics.ts'

export type ProgramName = 'cilium' | 'hubble' | 'cilium-dbg'

export interface CommandManifest {
  readonly version: string
  /** by full id, words joined by colons, as under `cilium` */
  readonly commands: Readonly<Record<string, Command.Cached>>
}

/** Where commands come from: a checkout, or a bundle with an explicit map. */
export interface CommandSource {
  readonly manifest: CommandManifest
  readonly root: string
  /** the command class by full id; undefined when there is no such command */
  load(id: string): Promise<Command.Class | undefined>
}

interface Program {
  readonly prefix: string
  readonly summary: string
}

const programs: Readonly<Record<ProgramName, Program>> = {
  cilium: {prefix: '', summary: 'install, check, test and observe a cluster network'},
  hubble: {prefix: 'hubble:', summary: 'observe the flows of a cluster'},
  'cilium-dbg': {prefix: 'dbg:', summary: 'look into the agent of this node'},
}

/** Runs one command line. Prints its error, if any, and sets the exit code; never rejects. */
export async function runProgram(
  name: ProgramName,
  source: CommandSource,
  argv: readonly string[] = process.argv.slice(2),
): Promise<void> {
  try {
    await dispatch(name, source, globalFlagsFirst(argv))
  } catch (thrown) {
    process.exitCode = reportError(thrown, argv)
  }
  await drained(process.stdout)
  await drained(process.stderr)
  // A socket that a failed use-case left open must not keep the program alive.
  process.exit(process.exitCode ?? exitCodes.ok)
}

async function dispatch(name: ProgramName, source: CommandSource, argv: readonly string[]): Promise<void> {
  if (argv[0] === '--version') {
    process.stdout.write(
      `${name}/${source.manifest.version} ${process.platform}-${process.arch} node-${process.version}\n`,
    )
    return
  }
  const config = await loadConfig(name, source)
  const words = argv[0] === 'help' ? argv.slice(1) : argv
  const beforeRest = words.includes('--') ? words.slice(0, words.indexOf('--')) : words
  const wantsHelp =
    words.length === 0 || argv[0] === 'help' || beforeRest.includes('--help') || beforeRest.includes('-h')
  const {id, rest} = findId(words, config)
  const command = id === undefined ? undefined : config.findCommand(id)
  const unresolved = rest[0] !== undefined && !rest[0].startsWith('-') ? rest[0] : undefined

  if (command === undefined && unresolved !== undefined) {
    const unlisted = await findUnlisted(programs[name].prefix, words, source)
    if (unlisted !== undefined) {
      unlisted.command.id = unlisted.id
      await unlisted.command.run(unlisted.rest, config)
      return
    }
    unknownCommand(name, [...(id === undefined ? [] : id.split(':')), unresolved], config)
  }
  if (wantsHelp || command === undefined) {
    const help = new Help(config, {maxWidth: Math.min(process.stdout.columns ?? 120, 140), flagSortOrder: 'none'})
    await help.showHelp(id === undefined ? [] : id.split(':'))
    return
  }
  const loaded = await command.load()
  await loaded.run([...rest], config)
}

/** The longest run of leading words that names a command or a topic, and what follows it. */
function findId(words: readonly string[], config: Config): {id: string | undefined; rest: readonly string[]} {
  let best: {id: string | undefined; rest: readonly string[]} = {id: undefined, rest: words}
  for (let count = 1; count <= words.length; count++) {
    const word = words[count - 1]!
    if (word.startsWith('-') || word.includes(':')) break
    const id = words.slice(0, count).join(':')
    if (config.findCommand(id) !== undefined || config.findTopic(id) !== undefined) {
      best = {id, rest: words.slice(count)}
    }
  }
  return best
}

/** A command that lies in the source but not yet in the manifest: for whoever is writing it. */
async function findUnlisted(prefix: string, words: readonly string[], source: CommandSource) {
  const names = words.slice(0, words.findIndex((word) => !/^[a-z][a-z0-9-]*$/.test(word)) >>> 0)
  for (let count = names.length; count > 0; count--) {
    const id = names.slice(0, count).join(':')
    const command = await source.load(prefix + id)
    if (command !== undefined) return {id, command, rest: words.slice(count)}
  }
  return undefined
}

function unknownCommand(name: ProgramName, words: readonly string[], config: Config): never {
  const typed = words.join(' ')
  const known = new Set<string>()
  for (const id of config.commandIDs) {
    const parts = id.split(':')
    for (let count = 1; count <= parts.length; count++) known.add(parts.slice(0, count).join(' '))
  }
  const meant = nearest(typed, known)
  fail(COMMAND_UNKNOWN, {
    command: `${name} ${typed}`,
    hint: meant === undefined ? `"${name} --help" lists the commands` : `did you mean "${name} ${meant}"?`,
  })
}

/** oclif's configuration of a program, built from the manifest without touching any command file. */
export async function loadConfig(name: ProgramName, source: CommandSource): Promise<Config> {
  const {prefix, summary} = programs[name]
  const commandIds = Object.keys(source.manifest.commands)
  const pjson = {
    name,
    version: source.manifest.version,
    description: summary,
    type: 'module' as const,
    oclif: {
      bin: name,
      dirname: 'cilium',
      topicSeparator: ' ' as const,
      additionalHelpFlags: ['-h'],
      topics: Object.fromEntries(
        Object.entries(topics)
          .filter(([topic]) => topic.startsWith(prefix) && commandIds.some((id) => id.startsWith(`${topic}:`)))
          .map(([topic, description]) => [topic.slice(prefix.length), {description}]),
      ),
    },
  }
  const plugin = new Plugin({root: source.root, isRoot: true, type: 'core'})
  Object.assign(plugin, {
    name,
    alias: name,
    root: source.root,
    type: 'core',
    isRoot: true,
    valid: true,
    hasManifest: true,
    moduleType: 'module',
    version: source.manifest.version,
    pjson,
    hooks: {},
    manifest: {version: source.manifest.version, commands: {}},
  })
  plugin.commands = Object.entries(source.manifest.commands)
    .filter(([id]) => id.startsWith(prefix))
    .map(([fullId, cached]) => {
      const id = fullId.slice(prefix.length)
      const load = async () => {
        const loaded = (await source.load(fullId)) ?? fail(COMMAND_BROKEN, {command: id.replaceAll(':', ' ')})
        loaded.id = id
        loaded.plugin = plugin
        return loaded
      }
      const aliases = (cached.aliases ?? []).map((alias) => alias.slice(prefix.length))
      return {...cached, id, aliases, load, pluginName: name, pluginAlias: name, pluginType: 'core'}
    })
  plugin.commandIDs = plugin.commands.map((command) => command.id)
  return Config.load({root: source.root, pjson, version: source.manifest.version, plugins: new Map([[name, plugin]])})
}

/** Waits until what was written has left for the pipe or terminal; process.exit() would cut it off. */
async function drained(stream: NodeJS.WriteStream): Promise<void> {
  if (stream.writableLength === 0 || stream.destroyed) return
  await new Promise<void>((resolve) => stream.write('', () => resolve()))
}
