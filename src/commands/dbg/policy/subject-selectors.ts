import {Flags} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {getSelectors, type SelectorUse, selectorText} from '../../../cli/dbg/policy.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class PolicySubjectSelectors extends AgentCommand<readonly SelectorUse[]> {
  static override summary = 'show whom policies are for, and the identities that each selector selects'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {
    limit: Flags.integer({summary: 'identities shown of each selector', default: 20, min: 1}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(PolicySubjectSelectors)
    await this.show(await getSelectors(this.agent, {subjects: true}), (all) => selectorText(all, flags.limit))
  }
}
