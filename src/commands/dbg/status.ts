import {Flags} from '@oclif/core'
import {AgentCommand} from '../../cli/dbg/agent-command.ts'
import {type NodeStatus, nodeStatus} from '../../cli/dbg/node-status.ts'
import {briefText, isHealthy, statusText} from '../../cli/dbg/status-text.ts'
import {durationFlag} from '../../cli/duration-flag.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class Status extends AgentCommand<NodeStatus> {
  static override summary = 'show how the agent of this node is'
  static override description = 'Exit code: 0 well, 1 when the agent is not well or does not answer.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --brief',
    '<%= config.bin %> <%= command.id %> --verbose',
    '<%= config.bin %> <%= command.id %> -o jsonpath={.cilium.state}',
  ]
  static override flags = {
    brief: Flags.boolean({summary: 'one line: OK or the first thing that is wrong'}),
    verbose: Flags.boolean({summary: 'everything that the --all flags show, and more'}),
    'all-addresses': Flags.boolean({summary: 'show all allocated addresses'}),
    'all-controllers': Flags.boolean({summary: 'show all controllers, not only the failing ones'}),
    'all-nodes': Flags.boolean({summary: 'show the health of all nodes'}),
    'all-redirects': Flags.boolean({summary: 'show all proxy redirects'}),
    'all-clusters': Flags.boolean({summary: 'show all remote clusters, not only those not ready'}),
    'all-health': Flags.boolean({summary: 'show all of the cluster health'}),
    'require-k8s-connectivity': Flags.boolean({
      summary: 'an unreachable API server counts as failure',
      default: true,
      allowNo: true,
    }),
    timeout: durationFlag({name: 'timeout', summary: 'give up after this long', default: '30s'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Status)
    const report = await nodeStatus(this.agent, {
      brief: flags.brief,
      requireKubernetes: flags['require-k8s-connectivity'],
      withHealth: !flags.brief && !this.forPrograms,
      timeoutMs: flags.timeout,
    })
    const all = flags.verbose
    await this.show(report.status, (status, style) =>
      flags.brief
        ? briefText(status)
        : statusText(
            report,
            {
              allAddresses: all || flags['all-addresses'],
              allControllers: all || flags['all-controllers'],
              allNodes: all || flags['all-nodes'],
              allRedirects: all || flags['all-redirects'],
              allClusters: all || flags['all-clusters'],
              allHealth: all || flags['all-health'],
              verbose: all,
            },
            style,
          ),
    )
    if (!isHealthy(report.status)) this.exitWith('failed')
  }
}
