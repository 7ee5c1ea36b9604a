/** What installing and removing does with a cluster: reading by path, writing objects of any kind the chart makes. */
import {connectKube, type KubeClient, type Query} from '../../k8s/client.ts'
import {Discovery} from '../../k8s/discovery.ts'
import {k8sErrors} from '../../k8s/errors.ts'
import {type ApplyOptions, type DeleteOptions, objects} from '../../k8s/objects.ts'
import {apiVersionOf, type KubeObject, type NewObject, pathOf, type Resource, resources} from '../../k8s/resources.ts'
import {hasCode} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'

/** The manager of the fields that we apply. */
export const fieldManager = 'cilium'

/** Anything with a kind and a name. */
export interface AnyObject extends KubeObject {
  readonly apiVersion: string
  readonly kind: string
  readonly [field: string]: unknown
}

const knownResources: ReadonlyMap<string, Resource> = new Map(
  Object.values(resources).map((resource) => [`${apiVersionOf(resource)}/${resource.kind}`, resource]),
)

export class ClusterAccess {
  readonly #client: KubeClient
  readonly #discovery: Discovery

  constructor(client: KubeClient) {
    this.#client = client
    this.#discovery = new Discovery(client)
  }

  /** @throws errors of the Kubernetes client */
  static async connect(options: ClusterOptions): Promise<ClusterAccess> {
    return new ClusterAccess(
      await connectKube({
        ...(options.kubeconfig === undefined ? {} : {path: options.kubeconfig}),
        ...(options.context === undefined ? {} : {context: options.context}),
        ...(options.impersonate === undefined ? {} : {impersonate: options.impersonate}),
      }),
    )
  }

  get context(): string {
    return this.#client.context
  }

  get client(): KubeClient {
    return this.#client
  }

  get server(): string {
    return this.#client.server.origin
  }

  /** undefined when there is nothing at the path */
  async get<T>(path: string, signal?: AbortSignal): Promise<T | undefined> {
    try {
      return await this.#client.json<T>({path, ...(signal === undefined ? {} : {signal})})
    } catch (thrown) {
      if (hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) return undefined
      throw thrown
    }
  }

  /** The items of a list; none when the cluster does not know the kind. */
  async list<T>(path: string, query: Query = {}): Promise<readonly T[]> {
    const items: T[] = []
    let token: string | undefined
    do {
      let page: {items: readonly T[]; metadata?: {continue?: string}}
      try {
        page = await this.#client.json({path, query: {...query, limit: 500, continue: token}})
      } catch (thrown) {
        if (hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) return []
        throw thrown
      }
      items.push(...page.items)
      token = page.metadata?.continue || undefined
    } while (token !== undefined)
    return items
  }

  /** The object as it is in the cluster; undefined when it is not there. */
  async find(object: AnyObject): Promise<AnyObject | undefined> {
    const resource = await this.resourceOf(object.apiVersion, object.kind)
    return await objects<AnyObject>(this.#client, resource).find(refOf(object, resource))
  }

  async apply(object: AnyObject, options: Omit<ApplyOptions, 'fieldManager'> = {}): Promise<AnyObject> {
    const resource = await this.resourceOf(object.apiVersion, object.kind)
    const applied = object as unknown as NewObject<AnyObject>
    return await objects<AnyObject>(this.#client, resource).apply(applied, {force: true, ...options, fieldManager})
  }

  /** JSON merge patch of an object, or of a subresource of it. */
  async mergePatch(object: AnyObject, patch: object, signal?: AbortSignal): Promise<void> {
    const resource = await this.resourceOf(object.apiVersion, object.kind)
    const options = signal === undefined ? {} : {signal}
    await objects<AnyObject>(this.#client, resource).mergePatch(refOf(object, resource), patch, options)
  }

  /** @returns whether it was there */
  async delete(object: AnyObject, options: DeleteOptions = {}): Promise<boolean> {
    const resource = await this.resourceOf(object.apiVersion, object.kind)
    return await objects<AnyObject>(this.#client, resource).delete(refOf(object, resource), options)
  }

  /** Where the API serves a kind: one we know, or what the cluster says. @throws K8S_KIND_UNKNOWN */
  async resourceOf(apiVersion: string, kind: string): Promise<Resource> {
    return knownResources.get(`${apiVersion}/${kind}`) ?? (await this.#discovery.find(apiVersion, kind))
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}

/** `DaemonSet kube-system/cilium`, for people. */
export function nameOf(object: AnyObject): string {
  const {namespace, name} = object.metadata
  return `${object.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

/** The path of all objects of a kind, in one namespace or all. */
export function listPath(resource: Resource, namespace?: string): string {
  return pathOf(resource, {namespace})
}

function refOf({metadata}: AnyObject, resource: Resource): {namespace?: string; name: string} {
  if (!resource.namespaced || metadata.namespace === undefined) return {name: metadata.name}
  return {namespace: metadata.namespace, name: metadata.name}
}
