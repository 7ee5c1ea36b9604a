/**
 * A release as Helm keeps it: one Secret per revision, its one key a text that is JSON, gzipped, in base64. Written and
 * read here, so that `helm list`, `helm get` and `helm upgrade` go on from what the CLI installs and the other way round.
 */
import {promisify} from 'node:util'
import {gunzip, gzip} from 'node:zlib'
import {fail} from '../../runtime/errors.ts'
import {type Chart, makeChart} from './chart.ts'
import {RELEASE_UNREADABLE} from './errors.ts'
import {manifestText, type Rendered} from './render.ts'
import {parseYaml} from './template/go-yaml.ts'
import {isTree, type Tree, toPlain, toValue, tree} from './template/value.ts'

export type ReleaseStatus =
  | 'unknown'
  | 'deployed'
  | 'uninstalled'
  | 'superseded'
  | 'failed'
  | 'uninstalling'
  | 'pending-install'
  | 'pending-upgrade'
  | 'pending-rollback'

/** What a release says, in the names of Helm's JSON. */
export interface Release {
  readonly name: string
  readonly namespace: string
  /** number of the revision, from 1 */
  readonly version: number
  readonly info: {
    readonly first_deployed: string
    readonly last_deployed: string
    readonly deleted: string
    readonly description: string
    readonly status: ReleaseStatus
    readonly notes?: string
  }
  readonly chart: StoredChart
  /** the user's values */
  readonly config?: Readonly<Record<string, unknown>>
  /** all objects as one text */
  readonly manifest: string
  readonly hooks?: readonly unknown[]
}

/** Bytes are in base64, as Go writes them. */
interface StoredChart {
  readonly metadata: Readonly<Record<string, unknown>> & {readonly version?: string; readonly appVersion?: string}
  readonly lock: unknown
  readonly templates: readonly StoredFile[]
  readonly values: Readonly<Record<string, unknown>>
  readonly schema?: string | null
  readonly files: readonly StoredFile[]
}

interface StoredFile {
  readonly name: string
  readonly data: string
}

/** The Secret that holds a release. */
export interface ReleaseSecret {
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly resourceVersion?: string
  }
  readonly type?: string
  readonly data?: Readonly<Record<string, string>>
}

export const releaseSecretType = 'helm.sh/release.v1'
/** A chart of ours is some 50 KB; what unpacks to more is not one. */
const maxUnpacked = 32 * 1024 * 1024

export interface ReleaseFacts {
  readonly name: string
  readonly namespace: string
  readonly revision: number
  readonly chart: Chart
  /** the user's values, in today's spelling */
  readonly values: Tree
  readonly rendered: Rendered
  readonly status: ReleaseStatus
  readonly description: string
  readonly now: Date
  /** when the first revision was installed; now when absent */
  readonly firstDeployed?: string
}

export function makeRelease(facts: ReleaseFacts): Release {
  const now = facts.now.toISOString()
  const {chart} = facts
  const store = (file: {name: string; text: string}): StoredFile => ({name: file.name, data: base64(file.text)})
  return {
    name: facts.name,
    info: {
      first_deployed: facts.firstDeployed ?? now,
      last_deployed: now,
      deleted: '',
      description: facts.description,
      status: facts.status,
      notes: facts.rendered.notes,
    },
    chart: {
      metadata: toPlain(chart.metadata) as Record<string, unknown>,
      lock: null,
      templates: chart.templates.map(store),
      values: toPlain(chart.values) as Record<string, unknown>,
      schema: chart.schema === undefined ? null : base64(JSON.stringify(chart.schema)),
      files: chart.files.map(store),
    },
    config: toPlain(facts.values) as Record<string, unknown>,
    manifest: manifestText(facts.rendered.manifests),
    version: facts.revision,
    namespace: facts.namespace,
  }
}

/** The same release in another state. */
export function withStatus(release: Release, status: ReleaseStatus, description: string, now: Date): Release {
  const isChange = status === 'deployed' || status === 'failed'
  const last_deployed = isChange ? now.toISOString() : release.info.last_deployed
  return {...release, info: {...release.info, status, description, last_deployed}}
}

/** The chart that a release was made of, for rendering it again. */
export function chartOf(release: Release): Chart {
  const {chart} = release
  const texts = new Map<string, string>([
    ['Chart.yaml', JSON.stringify(chart.metadata)],
    ['values.yaml', JSON.stringify(chart.values)],
  ])
  if (chart.schema) texts.set('values.schema.json', text(chart.schema))
  for (const {name, data} of [...chart.templates, ...chart.files]) texts.set(name, text(data))
  return makeChart(texts, `of release ${release.name}`)
}

export function valuesOf(release: Release): Tree {
  return release.config === undefined || release.config === null ? tree() : (toValue(release.config) as Tree)
}

export function secretName(release: string, revision: number): string {
  return `sh.helm.release.v1.${release}.v${revision}`
}

/** Labels by which Helm finds releases; `at` in seconds says when the Secret was made or changed. */
export function secretLabels(release: Release, at: Date, isNew: boolean): Readonly<Record<string, string>> {
  return {
    name: release.name,
    owner: 'helm',
    status: release.info.status,
    version: String(release.version),
    [isNew ? 'createdAt' : 'modifiedAt']: String(Math.floor(at.getTime() / 1000)),
  }
}

/** The value of the Secret's key `release`, as Kubernetes takes it: with its own base64 on top of Helm's. */
export async function encodeRelease(release: Release): Promise<string> {
  const zipped = await promisify(gzip)(JSON.stringify(release), {level: 9})
  return base64(zipped.toString('base64'))
}

/** @throws RELEASE_UNREADABLE */
export async function decodeRelease(secret: ReleaseSecret): Promise<Release> {
  const name = secret.metadata.name
  const data = secret.data?.['release']
  if (data === undefined) return fail(RELEASE_UNREADABLE, {name, detail: 'it has no key "release"'})
  try {
    const packed = Buffer.from(text(data), 'base64')
    const isZipped = packed[0] === 0x1f && packed[1] === 0x8b
    const json = isZipped ? await promisify(gunzip)(packed, {maxOutputLength: maxUnpacked}) : packed
    const release: unknown = JSON.parse(json.toString('utf8'))
    if (isRelease(release)) return release
  } catch (thrown) {
    return fail(RELEASE_UNREADABLE, {name, detail: (thrown as Error).message}, {cause: thrown})
  }
  return fail(RELEASE_UNREADABLE, {name, detail: 'it is not a release'})
}

function isRelease(value: unknown): value is Release {
  if (typeof value !== 'object' || value === null) return false
  const {name, version, info, chart} = value as Partial<Release>
  return (
    typeof name === 'string' && typeof version === 'number' && typeof info === 'object' && typeof chart === 'object'
  )
}

function base64(value: string): string {
  return Buffer.from(value).toString('base64')
}

function text(encoded: string): string {
  return Buffer.from(encoded, 'base64').toString('utf8')
}

/** The objects of a release, in the order in which they were installed. */
export function objectsOf(release: Release): readonly Tree[] {
  return release.manifest
    .split(/^---$/m)
    .map((part) => parseYaml(part))
    .filter((object) => isTree(object))
}
