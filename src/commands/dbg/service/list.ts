import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {listServices, type Services, serviceTable} from '../../../cli/dbg/service.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class ServiceList extends AgentCommand<Services> {
  static override summary = 'list the services that this node serves'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(ServiceList)
    await this.show(await listServices(this.agent), serviceTable)
  }
}
