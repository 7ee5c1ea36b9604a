import {Args} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {endpointConfigText, parseOptions} from '../../../cli/dbg/config.ts'
import {changeEndpointConfig, type EndpointConfigurationStatus, endpointConfig} from '../../../cli/dbg/endpoint.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class EndpointConfig extends AgentCommand<EndpointConfigurationStatus> {
  static override summary = 'show or change the options of an endpoint'
  static override examples = [
    '<%= config.bin %> <%= command.id %> 7',
    '<%= config.bin %> <%= command.id %> 7 PolicyAuditMode=Enabled',
  ]
  static override strict = false
  static override args = {
    id: Args.string({required: true, description: 'number, or prefix:id such as pod-name:NAMESPACE:POD'}),
    options: Args.string({description: 'OPTION=VALUE …'}),
  }
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    const {args, argv} = await this.parse(EndpointConfig)
    const options = parseOptions((argv as string[]).slice(1))
    const config =
      Object.keys(options).length === 0
        ? await endpointConfig(this.agent, args.id)
        : await changeEndpointConfig(this.agent, args.id, options)
    await this.show(config, endpointConfigText)
  }
}
