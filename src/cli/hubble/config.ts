/** The configuration file of `hubble`: flags by name, in YAML. */
import {existsSync} from 'node:fs'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {homedir} from 'node:os'
import {dirname, join} from 'node:path'

export interface HubbleConfig {
  /** the file that was found, or where a new one belongs */
  readonly path: string
  readonly values: Readonly<Record<string, unknown>>
}

function places(): string[] {
  const folder = process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config')
  return [
    join(process.cwd(), 'config.yaml'),
    join(folder, 'hubble', 'config.yaml'),
    join(homedir(), '.hubble', 'config.yaml'),
  ]
}

/** @param path undefined: the first of the known places that has one */
export async function readHubbleConfig(path: string | undefined): Promise<HubbleConfig> {
  const [, standard] = places()
  const found = path ?? places().find((place) => existsSync(place))
  if (found === undefined || !existsSync(found)) return {path: path ?? standard!, values: {}}
  const {parse} = await import('yaml')
  const value = parse(await readFile(found, 'utf8')) as unknown
  return {path: found, values: typeof value === 'object' && value !== null && !Array.isArray(value) ? {...value} : {}}
}

/** @param value undefined: the key goes back to its default */
export async function writeHubbleConfig(config: HubbleConfig, key: string, value: string | undefined): Promise<void> {
  const {stringify} = await import('yaml')
  const {[key]: _, ...rest} = config.values
  const values =
    value === undefined ? rest : {...rest, [key]: value === 'true' ? true : value === 'false' ? false : value}
  await mkdir(dirname(config.path), {recursive: true})
  // passwords may be in it
  await writeFile(config.path, Object.keys(values).length === 0 ? '' : stringify(values), {mode: 0o600})
}
