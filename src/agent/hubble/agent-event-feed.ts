/** Tells the thread of flows what the agent does: endpoints that come, change and go, and addresses. */
import {type AgentEvent, AgentEventType} from '../../api/gen/flow.ts'
import type {ToWorker} from '../../hubble/server/messages.ts'
import type {PolicyRow} from '../policy/rows.ts'
import type {AddressRow, EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {policyLabels} from './policy-labels.ts'

export interface AgentEventFeedOptions {
  readonly tables: Tables
  /** counts changes of policies; 0: none is enforced yet */
  readonly policyRevision: () => number
  /** wall clock, ms */
  readonly now: () => number
  readonly tell: (message: ToWorker) => void
}

export class AgentEventFeed {
  readonly #options: AgentEventFeedOptions
  readonly #ends: (() => void)[] = []

  constructor(options: AgentEventFeedOptions) {
    this.#options = options
  }

  start(): void {
    const {tables, now} = this.#options
    this.tell({
      type: AgentEventType.AGENT_STARTED,
      agent_start: {time: BigInt(now()) * 1_000_000n},
    })
    this.#ends.push(
      tables.endpoints.subscribe((changes) => {
        for (const {row, old} of changes) this.#tellEndpoint(row, old)
      }),
      tables.addresses.subscribe((changes) => {
        for (const {row, old} of changes) this.#tellAddress(row, old)
      }),
      tables.policies.subscribe((changes) => {
        for (const {row, old} of changes) this.#tellPolicy(row, old)
      }),
    )
  }

  stop(): void {
    for (const end of this.#ends) end()
  }

  tell(event: AgentEvent): void {
    this.#options.tell({kind: 'agent-event', time: BigInt(this.#options.now()) * 1_000_000n, event})
  }

  #tellEndpoint(row: EndpointRow | undefined, old: EndpointRow | undefined): void {
    const {namespace, pod, id, labels} = (row ?? old)!
    const who = {id: BigInt(id), labels: labels?.toStrings() ?? []}
    if (row === undefined || old === undefined) {
      const type = row === undefined ? AgentEventType.ENDPOINT_DELETED : AgentEventType.ENDPOINT_CREATED
      this.tell({type, endpoint_update: {...who, pod_name: pod, namespace}})
    }
    if (row !== undefined && row.identity !== undefined && row.identity !== old?.identity) {
      this.tell({type: AgentEventType.ENDPOINT_REGENERATE_SUCCESS, endpoint_regenerate: who})
    }
  }

  #tellPolicy(row: PolicyRow | undefined, old: PolicyRow | undefined): void {
    // what is changed in its status only says the same
    if (row !== undefined && row.content === old?.content) return
    const {checked} = (row ?? old)!
    this.tell({
      type: row === undefined ? AgentEventType.POLICY_DELETED : AgentEventType.POLICY_UPDATED,
      policy_update: {
        labels: policyLabels((row ?? old)!),
        revision: BigInt(this.#options.policyRevision()),
        rule_count: BigInt(checked.ok ? checked.policy.specs.length : 0),
      },
    })
  }

  #tellAddress(row: AddressRow | undefined, old: AddressRow | undefined): void {
    const {cidr, identity, tunnel, owner} = (row ?? old)!
    const [, namespace = '', pod = ''] = /^pod\/([^/]+)\/(.+)$/.exec(owner) ?? []
    if (
      row !== undefined &&
      old !== undefined &&
      row.identity === old.identity &&
      String(row.tunnel) === String(old.tunnel)
    )
      return
    this.tell({
      type: row === undefined ? AgentEventType.IPCACHE_DELETED : AgentEventType.IPCACHE_UPSERTED,
      ipcache_update: {
        cidr: String(cidr),
        identity,
        ...(row !== undefined && old !== undefined ? {old_identity: old.identity} : {}),
        ...(tunnel === undefined ? {} : {host_ip: String(tunnel)}),
        namespace,
        pod_name: pod,
      },
    })
  }
}
