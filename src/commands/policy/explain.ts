import {Args} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {outputFlag} from '../../cli/output-format.ts'
import {type ExplainReport, explainPolicy, explainText} from '../../cli/policy/explain.ts'

export default class PolicyExplain extends ClusterCommand<ExplainReport> {
  static override summary = 'tell whether one end may reach another, and which rule says so'
  static override description =
    'Ends are NAMESPACE/POD, POD, node/NAME, svc/NAMESPACE/NAME or an address. Of what no rule allows, the nearest rules are shown with the conditions they miss.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> default/client default/web:80',
    '<%= config.bin %> <%= command.id %> default/client svc/kube-system/kube-dns:53/UDP',
    '<%= config.bin %> <%= command.id %> 203.0.113.7 default/web:8/ICMP -o json',
  ]
  static override args = {
    from: Args.string({description: 'who sends', required: true}),
    to: Args.string({description: 'who receives, with :PORT or :PORT/PROTOCOL', required: true}),
  }
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    const {args} = await this.parse(PolicyExplain)
    await this.show(await explainPolicy(this.cluster, args, this.signal), explainText)
  }
}
