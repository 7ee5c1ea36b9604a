/** What an installation will do, before it does it. */
import {isDeepStrictEqual} from 'node:util'
import type {Manifest} from '../chart/render.ts'
import {toPlain} from '../chart/template/value.ts'
import {type AnyObject, type ClusterAccess, nameOf} from './cluster-access.ts'
import type {DerivedValue} from './derive.ts'
import type {ClusterFacts} from './facts.ts'

export type PlannedChange = 'create' | 'change' | 'keep'

export interface PlannedObject {
  readonly object: AnyObject
  readonly name: string
  readonly change: PlannedChange
  /** for a change: what is there, and what will be */
  readonly before?: object
  readonly after?: object
}

export interface InstallPlan {
  readonly facts: ClusterFacts
  readonly release: string
  readonly namespace: string
  readonly version: string
  readonly revision: number
  /** of the release, before */
  readonly state: 'new' | 'unfinished' | 'installed'
  readonly derived: readonly DerivedValue[]
  readonly objects: readonly PlannedObject[]
  readonly warnings: readonly string[]
  readonly notes: readonly string[]
}

/** An object as it is applied: with the marks by which Helm knows what belongs to a release. */
export function ownedObject({object}: Manifest, release: string, namespace: string): AnyObject {
  return withOwner(toPlain(object) as unknown as AnyObject, release, namespace)
}

export function withOwner(object: AnyObject, release: string, namespace: string): AnyObject {
  const {metadata} = object
  return {
    ...object,
    metadata: {
      ...metadata,
      labels: {...metadata.labels, 'app.kubernetes.io/managed-by': 'Helm'},
      annotations: {
        ...metadata.annotations,
        'meta.helm.sh/release-name': release,
        'meta.helm.sh/release-namespace': namespace,
      },
    },
  }
}

export function isOwnedBy(object: AnyObject, release: string, namespace: string): boolean {
  const annotations = object.metadata.annotations ?? {}
  return (
    annotations['meta.helm.sh/release-name'] === release && annotations['meta.helm.sh/release-namespace'] === namespace
  )
}

/**
 * Compares what is to be with what is there, by asking the server what applying would give; what the server would
 * refuse is refused here, before anything is changed.
 *
 * @param isNew the namespace is not there yet
 * @returns the planned objects in the order of the manifests, and those that are there and belong to somebody else
 */
export async function planObjects(
  access: ClusterAccess,
  wanted: readonly AnyObject[],
  {release, namespace, isNew}: {release: string; namespace: string; isNew: boolean},
): Promise<{planned: PlannedObject[]; foreign: string[]}> {
  const foreign: string[] = []
  const planned = await Promise.all(
    wanted.map(async (object): Promise<PlannedObject> => {
      const name = nameOf(object)
      // in a namespace that is not there the server cannot say anything
      if (isNew && object.metadata.namespace !== undefined) return {object, name, change: 'create'}
      const present = await access.find(object)
      const after = await access.apply(object, {dryRun: true})
      if (present === undefined) return {object, name, change: 'create'}
      if (!isOwnedBy(present, release, namespace)) foreign.push(name)
      const [is, will] = [content(present), content(after)]
      if (isDeepStrictEqual(is, will)) return {object, name, change: 'keep'}
      return {object, name, change: 'change', before: is, after: will}
    }),
  )
  return {planned, foreign: foreign.sort()}
}

/** What people mean by an object: without the server's bookkeeping. */
function content({metadata, status: _, ...rest}: AnyObject): object {
  const {
    resourceVersion: _1,
    managedFields: _2,
    generation: _3,
    ...kept
  } = metadata as AnyObject['metadata'] & {
    readonly managedFields?: unknown
    readonly generation?: unknown
  }
  return {...rest, metadata: kept}
}
