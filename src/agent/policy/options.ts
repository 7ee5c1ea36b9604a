/** What of the agent's configuration says what policies mean. */
import type {PolicyOptions} from '../../policy/options.ts'
import type {AgentConfig} from '../config.ts'

export function policyOptionsOf(config: AgentConfig): PolicyOptions {
  return {
    cluster: config['cluster-name'],
    localClusterOnly: config['policy-default-local-cluster'],
    nodeSelectors: config['enable-node-selector-labels'],
    hostFirewall: config['enable-host-firewall'],
    extendedProtocols: config['enable-extended-ip-protocols'],
  }
}
