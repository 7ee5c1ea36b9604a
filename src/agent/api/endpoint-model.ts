/** Endpoints as the API shows them. Pure. */
import type {Endpoint, EndpointHealth, EndpointStatusChange, Identity} from '../../api/models.ts'
import {type Identity as IdentityNumber, reservedLabels} from '../../model/identity.ts'
import type {LabelSet} from '../../model/labels.ts'
import {labelsSha256} from '../identity/identity-number.ts'
import type {EndpointPolicyState} from '../policy/standings.ts'
import type {EndpointRow, PodRow} from '../state/rows.ts'
import {endpointPolicyModel} from './policy-model.ts'

export function endpointModel(
  row: EndpointRow,
  pod: PodRow | undefined,
  state: EndpointPolicyState | undefined,
): Endpoint {
  const spec = {options: optionsOf(state?.sets.audit === true), 'label-configuration': {}}
  const relevant = row.labels?.toStrings() ?? []
  const policy = endpointPolicyModel(row, state)
  return {
    id: row.id,
    spec,
    status: {
      'external-identifiers': {
        'cni-attachment-id': `${row.containerId}:${row.ifname}`,
        'container-id': row.containerId,
        'k8s-namespace': row.namespace,
        'k8s-pod-name': row.pod,
        'pod-name': row.pod === '' ? '' : `${row.namespace}/${row.pod}`,
      },
      health: endpointHealth(row),
      ...(row.identity === undefined || row.labels === undefined
        ? {}
        : {identity: identityModel(row.identity, row.labels)}),
      labels: {
        derived: [],
        disabled: (row.allLabels?.toStrings() ?? []).filter((label) => !relevant.includes(label)),
        realized: {},
        'security-relevant': relevant,
      },
      log: endpointLog(row).slice(-3),
      namedPorts: (pod?.namedPorts ?? []).map(({name, port, protocol}) => ({name, port, protocol: protocol as 'TCP'})),
      networking: {
        addressing: [
          {
            ...(row.ipv4 === undefined ? {} : {ipv4: String(row.ipv4), 'ipv4-pool-name': 'default'}),
            ...(row.ipv6 === undefined ? {} : {ipv6: String(row.ipv6), 'ipv6-pool-name': 'default'}),
          },
        ],
        'container-interface-name': row.ifname,
        'host-mac': String(row.hostMac),
        'interface-index': row.ifindex,
        'interface-name': row.hostDevice,
        mac: String(row.mac),
      },
      policy: {
        'proxy-policy-revision': policy['policy-revision'],
        'proxy-statistics': [],
        realized: policy,
        spec: policy,
      },
      realized: spec,
      state: row.state,
    },
  }
}

export function endpointHealth(row: EndpointRow): EndpointHealth {
  const level = row.state === 'ready' ? 'OK' : row.state === 'invalid' ? 'Failure' : 'Pending'
  return {bpf: level, connected: true, overallHealth: level, policy: level}
}

/** All remembered changes, the oldest first. */
export function endpointLog(row: EndpointRow): EndpointStatusChange[] {
  return row.log.map(({at, state, ok, message}) => ({
    code: ok ? 'ok' : 'failed',
    message,
    state,
    timestamp: new Date(at).toISOString(),
  }))
}

export function identityModel(id: IdentityNumber, labels: LabelSet): Identity {
  return {id, labels: labels.toStrings(), labelsSHA256: labelsSha256(labels)}
}

/** The labels of a number that every cluster has, or that this one has made. */
export function labelsFor(
  id: IdentityNumber,
  known: (id: IdentityNumber) => LabelSet | undefined,
): LabelSet | undefined {
  return reservedLabels(id) ?? known(id)
}

function optionsOf(audit: boolean): Record<string, string> {
  return {
    ConntrackAccounting: 'Enabled',
    Debug: 'Disabled',
    DebugLB: 'Disabled',
    DebugPolicy: 'Disabled',
    DropNotification: 'Enabled',
    PolicyAuditMode: audit ? 'Enabled' : 'Disabled',
    PolicyVerdictNotification: 'Enabled',
    SourceIPVerification: 'Enabled',
    TraceNotification: 'Enabled',
  }
}
