import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {getPolicy, type Policy, policyText} from '../../../cli/dbg/policy.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class PolicyGet extends AgentCommand<Policy> {
  static override summary = 'show the policy rules that this agent holds'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> -o jsonpath={.revision}',
  ]
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(PolicyGet)
    await this.show(await getPolicy(this.agent), policyText)
  }
}
