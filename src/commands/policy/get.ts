import {Args} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {outputFlag} from '../../cli/output-format.ts'
import {getPolicies, type PolicyDetail, policyDetailText} from '../../cli/policy/list.ts'

export default class PolicyGet extends ClusterCommand<readonly PolicyDetail[]> {
  static override summary = 'show a policy as it is understood: whom it is for, and what each rule allows or denies'
  static override examples = [
    '<%= config.bin %> <%= command.id %> default/web',
    '<%= config.bin %> <%= command.id %> default/web -o json',
  ]
  static override args = {name: Args.string({description: 'NAMESPACE/NAME, or NAME', required: true})}
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    const {args} = await this.parse(PolicyGet)
    await this.show(await getPolicies(this.cluster, args.name, this.signal), policyDetailText)
  }
}
