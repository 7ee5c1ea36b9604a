/** What the API server serves. */
import {fail, hasCode} from '../runtime/errors.ts'
import type {KubeClient} from './client.ts'
import {k8sErrors} from './errors.ts'
import type {Resource} from './resources.ts'

export interface ServerVersion {
  readonly major: string
  readonly minor: string
  /** v1.34.4 */
  readonly gitVersion: string
  readonly platform?: string
}

export function serverVersion(client: KubeClient, options: {signal?: AbortSignal} = {}): Promise<ServerVersion> {
  return client.json<ServerVersion>({path: '/version', what: 'get the version', timeoutMs: 10_000, ...options})
}

/** Finds resources by kind, asking the server once per group version. */
export class Discovery {
  private readonly client: KubeClient
  private readonly cache = new Map<string, Promise<readonly Resource[]>>()

  constructor(client: KubeClient) {
    this.client = client
  }

  /** The resource that serves a kind. @throws K8S_KIND_UNKNOWN */
  async find(apiVersion: string, kind: string): Promise<Resource> {
    const found = (await this.resources(apiVersion)).find((resource) => resource.kind === kind)
    return found ?? fail(k8sErrors.K8S_KIND_UNKNOWN, {kind, apiVersion})
  }

  /** What a group version serves; nothing when it is not served. */
  resources(apiVersion: string): Promise<readonly Resource[]> {
    let known = this.cache.get(apiVersion)
    if (known === undefined) {
      known = this.fetch(apiVersion)
      this.cache.set(apiVersion, known)
      known.catch(() => this.cache.delete(apiVersion))
    }
    return known
  }

  /** Forgets what is known: after a CRD was registered. */
  forget(): void {
    this.cache.clear()
  }

  private async fetch(apiVersion: string): Promise<readonly Resource[]> {
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`
    try {
      const list = await this.client.json<{resources?: {name: string; kind: string; namespaced: boolean}[]}>({
        path,
        what: `discover ${apiVersion}`,
      })
      return (list.resources ?? [])
        .filter(({name}) => !name.includes('/'))
        .map(({name, kind, namespaced}) => ({group: group!, version: version!, plural: name, kind, namespaced}))
    } catch (thrown) {
      if (hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) return []
      throw thrown
    }
  }
}
