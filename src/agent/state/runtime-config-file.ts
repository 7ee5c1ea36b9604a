/** The file that connectivity tests of the original CLI read for features (`agent-runtime-config.json`). */
import {mkdir} from 'node:fs/promises'
import {join} from 'node:path'
import {writeFileAtomic} from '../../runtime/atomic-file.ts'
import {type AgentConfig, formatValue} from '../config.ts'

export async function writeRuntimeConfig(stateDir: string, config: AgentConfig): Promise<void> {
  const folder = join(stateDir, 'state')
  await mkdir(folder, {recursive: true})
  const content = {
    MonitorAggregation: config['monitor-aggregation'],
    EnableICMPRules: config['enable-icmp-rules'],
    EnableHealthChecking: config['enable-health-checking'],
    EnableEndpointHealthChecking: config['enable-endpoint-health-checking'],
    EnableK8sNetworkPolicy: false,
    EnableK8sClusterNetworkPolicy: false,
    Settings: Object.fromEntries(Object.entries(config).map(([key, value]) => [key, formatValue(value)])),
  }
  await writeFileAtomic(join(folder, 'agent-runtime-config.json'), `${JSON.stringify(content, undefined, 2)}\n`, {
    mode: 0o644,
  })
}
