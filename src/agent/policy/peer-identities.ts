/** What the engine knows of identities: their labels, and the port names of their pods. */
import {Cidr} from '../../model/cidr.ts'
import {builtInIdentities, identity as identityOf, reservedIdentities, reservedLabels} from '../../model/identity.ts'
import {Label, type LabelSet} from '../../model/labels.ts'
import {apiServerIps} from '../identity/api-server.ts'
import type {Tables} from '../state/tables.ts'
import type {PolicyEngine} from './engine.ts'
import type {PortNames} from './port-names.ts'

export interface PeerIdentitiesOptions {
  readonly tables: Tables
  readonly engine: PolicyEngine
  readonly ports: PortNames
  /** pods of one identity have begun or ended to disagree about port names */
  readonly disagreed: () => void
}

export class PeerIdentities {
  readonly #options: PeerIdentitiesOptions
  #apiServerHere = false
  #relabelled = false

  constructor(options: PeerIdentitiesOptions) {
    this.#options = options
  }

  /** Those that there are without any object. */
  setBuiltIn(): void {
    for (const id of builtInIdentities) this.set(id)
  }

  /** What the tables say of an identity now. */
  set(id: number): void {
    const {tables, engine, ports} = this.#options
    const number = identityOf(id)
    const apiServerHere = this.#apiServerHere
    const labels =
      tables.identities.get(String(id))?.labels ?? this.#nodeLabels(id) ?? reservedLabels(number, {apiServerHere})
    const before = engine.groups.identity(id)
    if (before !== undefined && labels !== undefined && !before.labels.equals(labels)) this.#relabelled = true
    if (labels === undefined) engine.groups.deleteIdentity(id)
    else engine.groups.setIdentity({id: number, labels, namedPorts: ports.of(id)})
  }

  /** An identity means something else than at the last call: established flows are to be judged again. */
  takeRelabelled(): boolean {
    const relabelled = this.#relabelled
    this.#relabelled = false
    return relabelled
  }

  /** Of nodes that are told apart by labels, this one among them. */
  #nodeLabels(id: number): LabelSet | undefined {
    const labels = this.#options.tables.nodeIdentities.get(String(id))?.labels
    if (labels === undefined || id !== reservedIdentities.host || !this.#apiServerHere) return labels
    return labels.with([Label.make('reserved', 'kube-apiserver')])
  }

  /**
   * What the tables say of a pod's port names now.
   *
   * @returns did they change?
   */
  setPorts(pod: string): boolean {
    const {tables, ports} = this.#options
    const local = tables.endpoints.by('pod', pod).find(({identity}) => identity !== undefined)
    const remote = tables.remoteEndpoints.get(pod)
    const identity = local?.identity ?? remote?.identity
    const own = local === undefined ? undefined : tables.pods.get(pod)
    const differed = identity !== undefined && ports.of(identity) === 'differ'
    const touched = ports.set(pod, identity, own?.namedPorts ?? remote?.namedPorts ?? [])
    for (const id of touched) {
      this.set(id)
      if (differed !== (ports.of(id) === 'differ')) this.#options.disagreed()
    }
    return touched.length > 0
  }

  /** With the API server on this node its own identity says so. */
  followApiServer(): void {
    const {tables} = this.#options
    const here = apiServerIps(tables).some((ip) => tables.addresses.get(String(Cidr.host(ip)))?.localHost === true)
    if (here === this.#apiServerHere) return
    this.#apiServerHere = here
    this.set(reservedIdentities.host)
  }
}
