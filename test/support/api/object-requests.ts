/** Requests that read or write single objects. */
import {resources} from '../../../src/k8s/resources.ts'
import {
  type Answer,
  invalid,
  isTrue,
  managerOf,
  metadataOf,
  parse,
  type SeenRequest,
  status,
  wantsMetadata,
} from './answers.ts'
import {keyOf, type ObjectStore, type ServedResource} from './object-store.ts'
import {applyPatch, type Json, jsonPatch, mergePatch, noteOwner, strategicPatch} from './patches.ts'

export class ObjectRequests {
  private readonly store: ObjectStore

  constructor(store: ObjectStore) {
    this.store = store
  }

  create(resource: ServedResource, namespace: string | undefined, seen: SeenRequest): Answer {
    const object = parse(seen.body)
    if (object?.metadata === undefined) return status(400, 'BadRequest', 'the body is no object')
    if (resource.namespaced && namespace === undefined) return status(400, 'BadRequest', 'a namespace is needed')
    if (object.metadata.name === undefined && object.metadata.generateName === undefined) {
      return invalid(resource, '', 'metadata.name', 'Required value: name or generateName is required')
    }
    if (object.metadata.resourceVersion)
      return status(400, 'BadRequest', 'resourceVersion should not be set on objects to be created')
    const placed = {...object, metadata: {...object.metadata, ...(namespace === undefined ? {} : {namespace})}}
    if (!resource.namespaced) delete placed.metadata.namespace
    const key = keyOf(placed)
    if (placed.metadata.name !== undefined && this.store.get(resource, key) !== undefined) {
      return status(409, 'AlreadyExists', `${resource.plural} "${placed.metadata.name}" already exists`)
    }
    if (resource.hasStatus) delete placed.status
    if (seen.query.get('dryRun') === 'All') return {status: 201, body: placed}
    const stored = this.store.create(resource, placed)
    noteOwner(undefined, stored, managerOf(seen), this.store.fieldOwners(resource, keyOf(stored)))
    if (resource.plural === resources.customResourceDefinitions.plural)
      return {status: 201, body: this.establish(stored)}
    return {status: 201, body: stored}
  }

  single(resource: ServedResource, key: string, subresource: string | undefined, seen: SeenRequest): Answer {
    const before = this.store.get(resource, key)
    const name = key.split('/').pop()
    const missing = status(
      404,
      'NotFound',
      `${resource.plural}${resource.group === '' ? '' : `.${resource.group}`} "${name}" not found`,
    )
    if (subresource === 'status' && !resource.hasStatus)
      return status(404, 'NotFound', 'the server could not find the requested resource')
    if (seen.method === 'GET')
      return before === undefined ? missing : {status: 200, body: wantsMetadata(seen) ? metadataOf(before) : before}
    if (seen.method === 'DELETE') return before === undefined ? missing : this.delete(resource, key, before, seen)
    if (seen.method === 'PUT')
      return before === undefined ? missing : this.replace(resource, key, before, parse(seen.body), subresource, seen)
    if (seen.method !== 'PATCH') return status(405, 'MethodNotAllowed', 'not here')
    return this.patch(resource, key, before, subresource, seen, missing)
  }

  private replace(
    resource: ServedResource,
    key: string,
    before: Json,
    object: Json,
    subresource: string | undefined,
    seen: SeenRequest,
  ): Answer {
    if (object?.metadata?.name !== undefined && object.metadata.name !== before.metadata.name) {
      return status(400, 'BadRequest', 'the name of the object does not match the URL')
    }
    const version = object?.metadata?.resourceVersion
    if (version && version !== before.metadata.resourceVersion) {
      const message = `Operation cannot be fulfilled on ${resource.plural} "${before.metadata.name}": the object has been modified; please apply your changes to the latest version and try again`
      return status(409, 'Conflict', message)
    }
    if (object?.metadata?.uid && object.metadata.uid !== before.metadata.uid) {
      return status(409, 'Conflict', 'Precondition failed: UID in object meta does not match')
    }
    return this.write(resource, key, before, object, subresource, seen)
  }

  private patch(
    resource: ServedResource,
    key: string,
    before: Json | undefined,
    subresource: string | undefined,
    seen: SeenRequest,
    missing: Answer,
  ): Answer {
    const type = seen.headers['content-type'] ?? ''
    const patch = parse(seen.body)
    if (type.startsWith('application/apply-patch')) {
      const manager = seen.query.get('fieldManager')
      if (manager === null)
        return status(400, 'BadRequest', 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value')
      const owners = this.store.fieldOwners(resource, key)
      const merged = applyPatch(before, patch, manager, owners, isTrue(seen.query.get('force')))
      if (before !== undefined) return this.write(resource, key, before, merged, subresource, seen, true)
      const namespace = key.includes('/') ? key.split('/')[0] : undefined
      return this.create(resource, namespace, {...seen, query: new URLSearchParams({fieldManager: manager})})
    }
    if (before === undefined) return missing
    const wanted = patch?.metadata?.resourceVersion
    if (wanted && wanted !== before.metadata.resourceVersion)
      return status(409, 'Conflict', 'the object has been modified')
    if (type.startsWith('application/merge-patch'))
      return this.write(resource, key, before, mergePatch(before, patch), subresource, seen)
    if (type.startsWith('application/json-patch'))
      return this.write(resource, key, before, jsonPatch(before, patch), subresource, seen)
    if (!type.startsWith('application/strategic-merge-patch'))
      return status(415, 'UnsupportedMediaType', `the body of the request was in an unknown format: ${type}`)
    if (resource.group.includes('cilium'))
      return status(415, 'UnsupportedMediaType', 'strategic merge patch is not supported for custom resources')
    return this.write(resource, key, before, strategicPatch(before, patch), subresource, seen)
  }

  private write(
    resource: ServedResource,
    key: string,
    before: Json,
    after: Json,
    subresource: string | undefined,
    seen: SeenRequest,
    applied = false,
  ): Answer {
    const identity = {apiVersion: before.apiVersion, kind: before.kind}
    let next = {
      ...after,
      ...identity,
      metadata: {
        ...after.metadata,
        name: before.metadata.name,
        ...(before.metadata.namespace === undefined ? {} : {namespace: before.metadata.namespace}),
      },
    }
    if (before.metadata.deletionTimestamp !== undefined)
      next.metadata.deletionTimestamp = before.metadata.deletionTimestamp
    if (subresource === 'status') next = {...before, status: next.status}
    else if (resource.hasStatus)
      next = before.status === undefined ? without(next, 'status') : {...next, status: before.status}
    if (seen.query.get('dryRun') === 'All') return {status: 200, body: next}
    if (!applied) noteOwner(before, next, managerOf(seen), this.store.fieldOwners(resource, key))
    return {status: 200, body: this.store.update(resource, next, before)}
  }

  private delete(resource: ServedResource, key: string, before: Json, seen: SeenRequest): Answer {
    const options = seen.body === '' ? {} : parse(seen.body)
    const {uid, resourceVersion} = options?.preconditions ?? {}
    if (
      (uid && uid !== before.metadata.uid) ||
      (resourceVersion && resourceVersion !== before.metadata.resourceVersion)
    ) {
      return status(409, 'Conflict', 'Precondition failed')
    }
    if (options?.dryRun !== undefined) return {status: 200, body: before}
    const last = this.store.delete(resource, key)
    if (resource.plural === resources.customResourceDefinitions.plural) {
      for (const served of crdResources(before)) this.store.unserve(served)
    }
    return {status: 200, body: last}
  }

  /** A registered CRD is served at once. */
  private establish(crd: Json): Json {
    for (const served of crdResources(crd)) this.store.serve(served)
    const conditions = ['NamesAccepted', 'Established'].map((type) => ({type, status: 'True'}))
    return this.store.update(resources.customResourceDefinitions, {...crd, status: {conditions}}, crd)
  }
}

function crdResources(crd: Json): ServedResource[] {
  const {group, scope, names, versions} = crd.spec
  return versions
    .filter((one: Json) => one.served)
    .map((one: Json) => ({
      group,
      version: one.name,
      plural: names.plural,
      kind: names.kind,
      namespaced: scope === 'Namespaced',
      hasStatus: one.subresources?.status !== undefined,
    }))
}

function without(object: Json, field: string): Json {
  const {[field]: _left, ...rest} = object
  return rest
}
