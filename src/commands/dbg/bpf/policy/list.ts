import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {type EndpointPolicyMap, policySetsText, readPolicyMaps} from '../../../../cli/dbg/bpf/policy.ts'
import {outputFlag} from '../../../../cli/output-format.ts'

export default class BpfPolicyList extends BpfCommand<readonly EndpointPolicyMap[]> {
  static override summary = 'list the rule sets that endpoints point at'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(BpfPolicyList)
    await this.show(await readPolicyMaps(this.place, undefined, this.signal), policySetsText)
  }
}
