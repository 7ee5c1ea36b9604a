/** Custom resources of ours in a cluster: what users wrote, and what agents and operators keep their books in. */
import {stringify} from 'yaml'
import type {CustomResourceDefinition} from '../../k8s/resources.ts'
import {type AnyObject, type ClusterAccess, listPath} from '../install/cluster-access.ts'

/** Kinds that agents and operators write, and would write again. */
const bookkeeping: ReadonlySet<string> = new Set([
  'CiliumEndpoint',
  'CiliumEndpointSlice',
  'CiliumGatewayClassConfig',
  'CiliumIdentity',
  'CiliumNode',
])

const group = 'cilium.io'

interface DefinitionObject extends CustomResourceDefinition {
  readonly spec: CustomResourceDefinition['spec'] & {
    readonly group: string
    readonly scope: string
    readonly names: {readonly kind: string; readonly plural: string}
    readonly versions: readonly {readonly name: string; readonly storage?: boolean}[]
  }
}

export interface CustomObjects {
  /** definitions of the group, sorted by name */
  readonly definitions: readonly AnyObject[]
  /** what users wrote */
  readonly own: readonly AnyObject[]
  /** what we wrote */
  readonly books: readonly AnyObject[]
}

/** All definitions of the group cilium.io and their objects. */
export async function findCustomObjects(access: ClusterAccess): Promise<CustomObjects> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  const all = await access.list<DefinitionObject>(path)
  const definitions = all.filter(({spec}) => spec.group === group)
  const [own, books]: [AnyObject[], AnyObject[]] = [[], []]
  for (const {spec} of definitions) {
    const version = spec.versions.find(({storage}) => storage)?.name ?? spec.versions[0]!.name
    const apiVersion = `${group}/${version}`
    const {kind, plural} = spec.names
    const resource = {group, version, plural, kind, namespaced: spec.scope === 'Namespaced'}
    const objects = await access.list<AnyObject>(listPath(resource))
    const into = bookkeeping.has(kind) ? books : own
    into.push(...objects.map((object) => ({...object, apiVersion, kind})))
  }
  return {
    definitions: definitions
      .map(
        (one) =>
          ({...one, apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition'}) as unknown as AnyObject,
      )
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1)),
    own,
    books,
  }
}

/** Objects as YAML that `kubectl apply -f` takes: without what the server and we ourselves wrote into them. */
export function exportText(objects: readonly AnyObject[]): string {
  return objects
    .map(({apiVersion, kind, metadata, status: _, ...rest}) => {
      const {name, namespace, labels, annotations} = metadata
      const {'kubectl.kubernetes.io/last-applied-configuration': _applied, ...kept} = annotations ?? {}
      const meta = {
        name,
        ...(namespace === undefined ? {} : {namespace}),
        ...(labels === undefined ? {} : {labels}),
        ...(Object.keys(kept).length === 0 ? {} : {annotations: kept}),
      }
      return `---\n${stringify({apiVersion, kind, metadata: meta, ...rest}, {lineWidth: 0})}`
    })
    .join('')
}

/** Removes an object even when a finalizer of ours, which nobody is left to serve, holds it. */
export async function removeCustomObject(access: ClusterAccess, object: AnyObject, signal: AbortSignal): Promise<void> {
  const finalizers = object.metadata.finalizers ?? []
  const foreign = finalizers.filter((name) => !/(^|\.)cilium\.io(\/|$)/.test(name))
  if (foreign.length !== finalizers.length) await access.mergePatch(object, {metadata: {finalizers: foreign}}, signal)
  await access.delete(object, {signal, propagation: 'Background'})
}
