/** Releases in the cluster: Secrets of the namespace, one per revision, found and named as Helm does. */
import {type Objects, objects} from '../../k8s/objects.ts'
import {type KubeObject, resources} from '../../k8s/resources.ts'
import {
  decodeRelease,
  encodeRelease,
  type Release,
  type ReleaseSecret,
  releaseSecretType,
  secretLabels,
  secretName,
} from '../chart/release.ts'
import type {ClusterAccess} from './cluster-access.ts'

/** As many revisions as Helm keeps. */
export const defaultHistoryMax = 10

type SecretObject = KubeObject & ReleaseSecret

export class ReleaseStore {
  readonly #secrets: Objects<SecretObject>
  readonly #namespace: string
  readonly #name: string

  constructor(access: ClusterAccess, namespace: string, name: string) {
    this.#secrets = objects<SecretObject>(access.client, resources.secrets)
    this.#namespace = namespace
    this.#name = name
  }

  /** All revisions, oldest first. @throws RELEASE_UNREADABLE */
  async history(): Promise<readonly Release[]> {
    const labelSelector = `owner=helm,name=${this.#name}`
    const secrets = await this.#secrets.listAll({namespace: this.#namespace, labelSelector})
    const releases = await Promise.all(secrets.filter(({type}) => type === releaseSecretType).map(decodeRelease))
    return releases.sort((a, b) => a.version - b.version)
  }

  /** The newest revision; undefined when there is none. */
  async newest(): Promise<Release | undefined> {
    return (await this.history()).at(-1)
  }

  /** Writes a revision that is not there yet, and removes revisions beyond `historyMax`, never a deployed one. */
  async create(release: Release, now: Date, historyMax: number): Promise<void> {
    await this.#secrets.create({
      metadata: {
        name: secretName(release.name, release.version),
        namespace: this.#namespace,
        labels: secretLabels(release, now, true),
      },
      type: releaseSecretType,
      data: {release: await encodeRelease(release)},
    } as never)
    if (historyMax <= 0) return
    const history = await this.history()
    const spare = history.slice(0, -historyMax).filter(({info}) => info.status !== 'deployed')
    for (const old of spare) await this.#remove(old.version)
  }

  /** Writes a revision again, in another state. */
  async update(release: Release, now: Date): Promise<void> {
    const data = await encodeRelease(release)
    const ref = {namespace: this.#namespace, name: secretName(release.name, release.version)}
    await this.#secrets.modify(ref, (secret) => ({
      ...secret,
      metadata: {...secret.metadata, labels: {...secret.metadata.labels, ...secretLabels(release, now, false)}},
      data: {release: data},
    }))
  }

  /** Removes all revisions. */
  async removeAll(): Promise<void> {
    for (const {version} of await this.history()) await this.#remove(version)
  }

  async #remove(revision: number): Promise<void> {
    await this.#secrets.delete({namespace: this.#namespace, name: secretName(this.#name, revision)})
  }
}
