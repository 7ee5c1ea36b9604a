/** What makes policies true on this node, put together: the enforcer, and audit mode beside it. */
import type {KubeClient} from '../k8s/client.ts'
import type {EventRecorder} from '../k8s/event-recorder.ts'
import {CiliumError} from '../runtime/errors.ts'
import type {AgentConfig} from './config.ts'
import type {AgentContext} from './context.ts'
import type {EndpointRecords} from './endpoint/record.ts'
import {Audit} from './policy/audit.ts'
import {type EnforcerOptions, PolicyEnforcer} from './policy/enforcer.ts'
import {groupFile} from './policy/group-memory.ts'
import {policyOptionsOf} from './policy/options.ts'
import type {LoadedDatapath} from './reconcile/loaded-datapath.ts'
import {policyStatuses, RefusalReports} from './reconcile/policy-refusals.ts'
import type {Tables} from './state/tables.ts'

export interface PolicyPartOptions extends Pick<EnforcerOptions, 'former' | 'addresses' | 'addressesSettled'> {
  readonly context: AgentContext
  readonly config: () => AgentConfig
  readonly tables: Tables
  readonly datapath: LoadedDatapath
  readonly records: EndpointRecords
  readonly client: KubeClient
  readonly events: EventRecorder
}

export interface PolicyPart {
  readonly enforcer: PolicyEnforcer
  readonly audit: Audit
  stop(): Promise<void>
}

export function policyPart(options: PolicyPartOptions): PolicyPart {
  const {context, config, tables, datapath, records, client, events} = options
  const {clock, log} = context
  const {endpoints: endpointMap, sets: maps} = datapath
  const audit = new Audit({
    ...{tables, endpointMap},
    nodeWide: () => config()['policy-audit-mode'],
    setsOf: (row) => enforcer.standings.setsOf(row),
    moveEpoch: () => maps.moveEpoch(),
    remember: (row) => records.write(row),
  })
  const reports = new RefusalReports({
    ...{events, clock, log},
    policies: tables.policies,
    statuses: policyStatuses(client),
    nodeName: config().nodeName,
  })
  const delay = context.registry
    .histogram({
      name: 'cilium_policy_implementation_delay',
      help: 'time from a change of policies until it was in force',
      labels: ['source'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30],
    })
    .labels('k8s')
  const enforcer: PolicyEnforcer = new PolicyEnforcer({
    ...{tables, maps, endpointMap, clock, log},
    former: options.former,
    addresses: options.addresses,
    addressesSettled: options.addressesSettled,
    memory: groupFile(config()['state-dir'], log),
    policyOptions: policyOptionsOf(config()),
    nodesMatch: config()['policy-cidr-match-mode'].includes('nodes'),
    mode: () => config()['enable-policy'],
    audits: (row) => audit.audits(row),
    remember: (row) =>
      void records
        .write(row)
        .catch((thrown) =>
          log.error('an endpoint cannot be kept', {endpoint: row.id, error: CiliumError.from(thrown)}),
        ),
    news: {refused: (reasons) => reports.tell(reasons), enforced: (seconds) => delay.observe(seconds)},
  })
  const stop = async () => {
    reports.stop()
    await enforcer.stop()
  }
  return {enforcer, audit, stop}
}
