import {Args, Flags} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {type Endpoints, getEndpoints} from '../../../cli/dbg/endpoint.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class EndpointGet extends AgentCommand<Endpoints> {
  static override summary = 'show all about one endpoint, or those with labels'
  static override examples = [
    '<%= config.bin %> <%= command.id %> 7',
    '<%= config.bin %> <%= command.id %> -l k8s:app=web',
    '<%= config.bin %> <%= command.id %> 7 -o jsonpath={[0].status.state}',
  ]
  static override args = {id: Args.string({description: 'number, or prefix:id such as pod-name:NAMESPACE:POD'})}
  static override flags = {
    labels: Flags.string({
      char: 'l',
      summary: 'endpoints that carry all of these labels',
      multiple: true,
      multipleNonGreedy: true,
    }),
    output: outputFlag(['json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(EndpointGet)
    const endpoints = await getEndpoints(this.agent, {id: args.id, labels: flags.labels ?? []})
    await this.show(endpoints, () => '')
  }
}
