import {ClusterCommand} from '../../cli/base-command.ts'
import {outputFlag} from '../../cli/output-format.ts'
import {policyStatus, policyStatusText, type PolicyStatus as Report} from '../../cli/policy/list.ts'

export default class PolicyStatus extends ClusterCommand<Report> {
  static override summary = 'show how many policies hold and how many pods they isolate'
  static override description = 'Exit code: 0 all policies hold, 3 one is invalid or only partly enforced.'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(PolicyStatus)
    const report = await policyStatus(this.cluster, this.signal)
    await this.show(report, policyStatusText)
    if (report.invalid.length + report.partly.length > 0) this.exitWith('unhealthy')
  }
}
