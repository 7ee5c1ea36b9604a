import {Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {outputFlag} from '../../cli/output-format.ts'
import {listPolicies, type PolicyRow, policyTable} from '../../cli/policy/list.ts'

export default class PolicyList extends ClusterCommand<readonly PolicyRow[]> {
  static override summary = 'list policies of all kinds, with what they select and whether they hold'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --policy-namespace shop',
    '<%= config.bin %> <%= command.id %> -o json',
  ]
  static override flags = {
    'policy-namespace': Flags.string({summary: 'only policies of this namespace'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(PolicyList)
    await this.show(await listPolicies(this.cluster, {namespace: flags['policy-namespace']}, this.signal), policyTable)
  }
}
