import {Args, Flags} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {
  type AgentConfiguration,
  agentConfig,
  changeAgentConfig,
  configTable,
  parseOptions,
} from '../../../cli/dbg/config.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class Config extends AgentCommand<AgentConfiguration> {
  static override summary = 'show the options of the running agent, or change some'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --all',
    '<%= config.bin %> <%= command.id %> Debug=true',
  ]
  static override strict = false
  static override description = 'A change lasts until the agent restarts: lasting settings belong into the Helm values.'
  static override args = {options: Args.string({description: 'OPTION=VALUE …'})}
  static override flags = {
    all: Flags.boolean({char: 'a', summary: 'show also what is fixed at start'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {argv, flags} = await this.parse(Config)
    const options = parseOptions(argv as string[])
    const config =
      Object.keys(options).length === 0 ? await agentConfig(this.agent) : await changeAgentConfig(this.agent, options)
    await this.show(config, (shown) => configTable(shown, {all: flags.all}))
  }
}
