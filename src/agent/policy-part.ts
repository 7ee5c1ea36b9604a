/** What makes policies true on this node, put together: the enforcer, and audit mode beside it. */

import {HOST_SLOT} from '../datapath/gen/constants.ts'
import type {KubeClient} from '../k8s/client.ts'
import {serverVersion} from '../k8s/discovery.ts'
import type {EventRecorder} from '../k8s/event-recorder.ts'
import {failsafePorts, noFailsafe} from '../policy/failsafe.ts'
import {CiliumError} from '../runtime/errors.ts'
import type {ClusterHealth} from './cluster-health.ts'
import type {AgentConfig} from './config.ts'
import type {AgentContext} from './context.ts'
import type {EndpointRecords} from './endpoint/record.ts'
import {apiServerPorts} from './identity/api-server.ts'
import {Audit} from './policy/audit.ts'
import {type EnforcerOptions, type HostPart, PolicyEnforcer} from './policy/enforcer.ts'
import {groupFile} from './policy/group-memory.ts'
import {hostFile} from './policy/host-memory.ts'
import {policyOptionsOf} from './policy/options.ts'
import type {LoadedDatapath} from './reconcile/loaded-datapath.ts'
import {policyStatuses, RefusalReports} from './reconcile/policy-refusals.ts'
import type {Tables} from './state/tables.ts'

export interface PolicyPartOptions
  extends Pick<EnforcerOptions, 'former' | 'addresses' | 'addressesSettled' | 'nodeIdentities'> {
  readonly context: AgentContext
  readonly config: () => AgentConfig
  readonly tables: Tables
  readonly datapath: LoadedDatapath
  readonly records: EndpointRecords
  readonly client: KubeClient
  readonly events: EventRecorder
  readonly health: Pick<ClusterHealth, 'probedByOthers' | 'onProbed'>
}

export interface PolicyPart {
  readonly enforcer: PolicyEnforcer
  readonly audit: Audit
  stop(): Promise<void>
}

/** What host policies need; undefined with the host firewall off. */
function hostPart({
  context,
  config,
  tables,
  datapath,
  former,
  client,
  health,
}: PolicyPartOptions): HostPart | undefined {
  if (!config()['enable-host-firewall']) return undefined
  return {
    row: datapath.hostRow,
    former: former.get(HOST_SLOT),
    memory: hostFile(config()['state-dir'], context.log),
    witnesses: {
      askApiServer: async (signal) => void (await serverVersion(client, {signal})),
      probedByOthers: () => health.probedByOthers,
      onProbed: (listener) => health.onProbed(listener),
    },
    audits: () => config()['policy-audit-mode'],
    failsafe: () =>
      config()['host-firewall-failsafe']
        ? failsafePorts({
            apiServer: [Number(client.server.port || 443), ...apiServerPorts(tables)],
            health: config()['cluster-health-port'],
          })
        : noFailsafe,
  }
}

export function policyPart(options: PolicyPartOptions): PolicyPart {
  const {context, config, tables, datapath, records, client, events} = options
  const {clock, log} = context
  const {endpoints: endpointMap, sets: maps} = datapath
  const audit = new Audit({
    ...{tables, endpointMap},
    putHost: () => enforcer.host?.put(),
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
  const increment = context.registry.histogram({
    name: 'cilium_policy_incremental_update_duration',
    help: 'time from a new identity until policies know it',
    labels: ['scope'],
  })
  const enforcer: PolicyEnforcer = new PolicyEnforcer({
    ...{tables, maps, endpointMap, clock, log},
    former: options.former,
    addresses: options.addresses,
    addressesSettled: options.addressesSettled,
    nodeIdentities: options.nodeIdentities,
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
    host: hostPart(options),
    news: {
      refused: (reasons) => reports.tell(reasons),
      enforced: (seconds) => delay.observe(seconds),
      learnt: (scope, seconds) => increment.labels(scope).observe(seconds),
    },
  })
  const stop = async () => {
    reports.stop()
    await enforcer.stop()
  }
  return {enforcer, audit, stop}
}
