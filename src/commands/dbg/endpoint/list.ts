import {Flags} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {type Endpoints, endpointTable, listEndpoints} from '../../../cli/dbg/endpoint.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class EndpointList extends AgentCommand<Endpoints> {
  static override summary = 'list the endpoints of this node'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {
    'no-headers': Flags.boolean({summary: 'leave out the two header rows'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(EndpointList)
    const endpoints = await listEndpoints(this.agent)
    await this.show(endpoints, (shown) => endpointTable(shown, {headers: !flags['no-headers']}))
  }
}
