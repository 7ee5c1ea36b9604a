/** What of the configuration says what policies mean. */
import {derivedKeys} from '../model/labels.ts'
import {matchAll, type Requirement, type Selector} from '../model/selector.ts'

export interface PolicyOptions {
  /** name of the cluster */
  readonly cluster: string
  /** selectors that do not name a cluster mean this one alone (`policy-default-local-cluster`) */
  readonly localClusterOnly: boolean
  /** fromNodes and toNodes: nodes have identities by their labels (`enable-node-selector-labels`) */
  readonly nodeSelectors: boolean
  /** policies with nodeSelector (`enable-host-firewall`) */
  readonly hostFirewall: boolean
  /** GRE, IGMP and the like in ports (`enable-extended-ip-protocols`) */
  readonly extendedProtocols: boolean
}

export const defaultPolicyOptions: PolicyOptions = {
  cluster: 'default',
  localClusterOnly: true,
  nodeSelectors: false,
  hostFirewall: false,
  extendedProtocols: false,
}

export function keyIs(key: string, value: string): Requirement {
  return {source: 'k8s', key, operator: 'In', values: [value]}
}

export function keyExists(key: string, source = 'k8s'): Requirement {
  return {source, key, operator: 'Exists', values: []}
}

/** A selector with more conditions; what selects nothing stays so. */
export function narrow(selector: Selector, more: readonly Requirement[]): Selector {
  switch (selector.kind) {
    case 'absent':
    case 'none':
      return selector
    case 'any':
      return matchAll(more)
    case 'match':
      return matchAll([...selector.requirements, ...more])
  }
}

/** The conditions of a selector; none for one that selects everything or nothing. */
export function requirementsOf(selector: Selector): readonly Requirement[] {
  return selector.kind === 'match' ? selector.requirements : []
}

/** Limits peers to this cluster, unless they name one themselves or are reserved ones, which have no cluster. */
export function limitToCluster(selector: Selector, options: PolicyOptions): Selector {
  if (!options.localClusterOnly) return selector
  const names = requirementsOf(selector).some(({source, key}) => key === derivedKeys.cluster || source === 'reserved')
  return names ? selector : narrow(selector, [keyIs(derivedKeys.cluster, options.cluster)])
}
