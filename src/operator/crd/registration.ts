import type {KubeClient} from '../../k8s/client.ts'
import {k8sErrors} from '../../k8s/errors.ts'
import {type Objects, objects} from '../../k8s/objects.ts'
import {type KubeObject, resources} from '../../k8s/resources.ts'
import {type Clock, sleep} from '../../runtime/clock.ts'
import {fail, hasCode} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import {CRD_NOT_ESTABLISHED} from '../errors.ts'
import {allKinds} from './all.ts'
import {type CustomResourceDefinition, definitionOf, schemaVersion, schemaVersionLabel} from './kind.ts'

interface StoredVersion {
  readonly name: string
  readonly served: boolean
  readonly storage: boolean
}

/** A definition as the API server has it. */
export interface StoredDefinition extends KubeObject {
  readonly spec: Omit<CustomResourceDefinition['spec'], 'versions'> & {readonly versions: readonly StoredVersion[]}
  readonly status?: {
    readonly conditions?: readonly {readonly type: string; readonly status: string; readonly message?: string}[]
  }
}

export interface RegistrationOptions {
  readonly client: KubeClient
  /** false: somebody else installs the definitions, we wait for them */
  readonly create: boolean
  readonly timeoutMs: number
  readonly clock: Clock
  readonly log: Log
}

/**
 * Creates the definitions that are missing, updates older ones, and waits until the API server serves all of them. May
 * run in several replicas at once.
 *
 * @throws CRD_NOT_ESTABLISHED, and the API server's own refusals
 */
export async function registerDefinitions(options: RegistrationOptions, signal: AbortSignal): Promise<void> {
  const log = options.log.for('crd')
  const definitions = allKinds.map(definitionOf)
  const api = objects<StoredDefinition>(options.client, resources.customResourceDefinitions)

  if (options.create) {
    const written = await Promise.allSettled(definitions.map((definition) => write(api, definition, log, signal)))
    for (const one of written) if (one.status === 'rejected') throw one.reason
  }

  const until = options.clock.monotonic() + options.timeoutMs
  for (const {metadata} of definitions) {
    for (;;) {
      const problem = notEstablished(await api.find({name: metadata.name}, {signal}))
      if (problem === undefined) break
      if (options.clock.monotonic() > until) fail(CRD_NOT_ESTABLISHED, {name: metadata.name, detail: problem})
      await sleep(options.clock, 250, signal)
    }
  }
}

async function write(
  api: Objects<StoredDefinition>,
  definition: CustomResourceDefinition,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  const {name} = definition.metadata
  const found = await api.find({name}, {signal})
  if (found === undefined) {
    const created = await unlessThere(api.create(definition as never, {signal}))
    if (created !== undefined) log.info('definition created', {name}, {per: name})
  } else if (updatedDefinition(found, definition) !== undefined) {
    await api.modify({name}, (stored) => updatedDefinition(stored, definition), {signal})
    log.info('definition updated', {name}, {per: name})
  }
}

/**
 * What a stored definition should become; undefined when it is as new as ours or newer. Additive: a version that we do
 * not know stays, served as before, because objects may be stored in it.
 */
export function updatedDefinition(
  stored: StoredDefinition,
  ours: CustomResourceDefinition,
  version = schemaVersion,
): StoredDefinition | undefined {
  if (compareVersions(stored.metadata.labels?.[schemaVersionLabel] ?? '0.0.0', version) >= 0) return undefined
  const known = new Set((ours.spec.versions as readonly StoredVersion[]).map(({name}) => name))
  const foreign = stored.spec.versions.filter(({name}) => !known.has(name)).map((one) => ({...one, storage: false}))
  return {
    ...stored,
    metadata: {...stored.metadata, labels: {...stored.metadata.labels, [schemaVersionLabel]: version}},
    spec: {...stored.spec, ...ours.spec, versions: [...(ours.spec.versions as readonly StoredVersion[]), ...foreign]},
  }
}

/** Compares dotted numbers; what is no number counts as 0. */
export function compareVersions(a: string, b: string): number {
  const parts = (text: string) => text.split('.').map((part) => Number.parseInt(part, 10) || 0)
  const [left, right] = [parts(a), parts(b)]
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const difference = (left[index] ?? 0) - (right[index] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function notEstablished(definition: StoredDefinition | undefined): string | undefined {
  if (definition === undefined) return 'it does not exist'
  const conditions = definition.status?.conditions ?? []
  if (conditions.some(({type, status}) => type === 'Established' && status === 'True')) return undefined
  return conditions.find(({status}) => status === 'False')?.message ?? 'the API server has not looked at it yet'
}

/** Another replica was faster. */
async function unlessThere<T>(created: Promise<T>): Promise<T | undefined> {
  try {
    return await created
  } catch (thrown) {
    if (hasCode(thrown, k8sErrors.K8S_ALREADY_EXISTS)) return undefined
    throw thrown
  }
}
