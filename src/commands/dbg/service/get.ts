import {Args} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {getService, type OneService, serviceTable} from '../../../cli/dbg/service.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class ServiceGet extends AgentCommand<OneService> {
  static override summary = 'show one service by its number'
  static override examples = ['<%= config.bin %> <%= command.id %> 4']
  static override args = {id: Args.integer({description: 'number of the service', required: true, min: 1})}
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    const {args} = await this.parse(ServiceGet)
    await this.show(await getService(this.agent, args.id), (service) => serviceTable([service]))
  }
}
