import {Args} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {type EndpointHealth, endpointHealth, endpointHealthText} from '../../../cli/dbg/endpoint.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class EndpointHealthCommand extends AgentCommand<EndpointHealth> {
  static override summary = 'show whether an endpoint works'
  static override examples = ['<%= config.bin %> <%= command.id %> 7']
  static override args = {
    id: Args.string({required: true, description: 'number, or prefix:id such as pod-name:NAMESPACE:POD'}),
  }
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    const {args} = await this.parse(EndpointHealthCommand)
    await this.show(await endpointHealth(this.agent, args.id), endpointHealthText)
  }
}
