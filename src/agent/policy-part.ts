/** What makes policies true on this node, put together: the enforcer, and audit mode beside it. */
import {CiliumError} from '../runtime/errors.ts'
import type {AgentConfig} from './config.ts'
import type {AgentContext} from './context.ts'
import type {EndpointRecords} from './endpoint/record.ts'
import {Audit} from './policy/audit.ts'
import {type EnforcerOptions, PolicyEnforcer} from './policy/enforcer.ts'
import {groupFile} from './policy/group-memory.ts'
import {policyOptionsOf} from './policy/options.ts'
import type {LoadedDatapath} from './reconcile/loaded-datapath.ts'
import type {Tables} from './state/tables.ts'

export interface PolicyPartOptions extends Pick<EnforcerOptions, 'former' | 'addresses' | 'addressesSettled'> {
  readonly context: AgentContext
  readonly config: () => AgentConfig
  readonly tables: Tables
  readonly datapath: LoadedDatapath
  readonly records: EndpointRecords
}

export interface PolicyPart {
  readonly enforcer: PolicyEnforcer
  readonly audit: Audit
}

export function policyPart(options: PolicyPartOptions): PolicyPart {
  const {context, config, tables, datapath, records} = options
  const {clock, log} = context
  const {endpoints: endpointMap, sets: maps} = datapath
  const audit = new Audit({
    ...{tables, endpointMap},
    nodeWide: () => config()['policy-audit-mode'],
    setsOf: (row) => enforcer.standings.setsOf(row),
    moveEpoch: () => maps.moveEpoch(),
    remember: (row) => records.write(row),
  })
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
  })
  return {enforcer, audit}
}
