import {Args} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {type AgentOption, configOption, valueText} from '../../../cli/dbg/config.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class ConfigGet extends AgentCommand<AgentOption> {
  static override summary = 'show one option of the running agent'
  static override examples = ['<%= config.bin %> <%= command.id %> PolicyEnforcement']
  static override args = {name: Args.string({required: true, description: 'name of the option, case ignored'})}
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    const {args} = await this.parse(ConfigGet)
    await this.show(await configOption(this.agent, args.name), ({value}) => valueText(value))
  }
}
