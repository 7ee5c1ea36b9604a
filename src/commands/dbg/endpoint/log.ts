import {Args} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {type EndpointChanges, endpointLog, endpointLogText} from '../../../cli/dbg/endpoint.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class EndpointLog extends AgentCommand<EndpointChanges> {
  static override summary = 'show what an endpoint went through'
  static override examples = ['<%= config.bin %> <%= command.id %> 7']
  static override args = {
    id: Args.string({required: true, description: 'number, or prefix:id such as pod-name:NAMESPACE:POD'}),
  }
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    const {args} = await this.parse(EndpointLog)
    await this.show(await endpointLog(this.agent, args.id), endpointLogText)
  }
}
