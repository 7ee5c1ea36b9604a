import {Args, Flags} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {
  changeEndpointLabels,
  endpointLabels,
  endpointLabelsText,
  type LabelConfiguration,
} from '../../../cli/dbg/endpoint.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class EndpointLabels extends AgentCommand<LabelConfiguration> {
  static override summary = 'show or change the labels of an endpoint'
  static override examples = [
    '<%= config.bin %> <%= command.id %> 7',
    '<%= config.bin %> <%= command.id %> 7 -a user:role=canary',
  ]
  static override args = {
    id: Args.string({required: true, description: 'number, or prefix:id such as pod-name:NAMESPACE:POD'}),
  }
  static override flags = {
    add: Flags.string({char: 'a', summary: 'label to add, repeatable', multiple: true, multipleNonGreedy: true}),
    delete: Flags.string({
      char: 'd',
      summary: 'label to take away, repeatable',
      multiple: true,
      multipleNonGreedy: true,
    }),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(EndpointLabels)
    const {add = [], delete: remove = []} = flags
    const labels =
      add.length + remove.length === 0
        ? await endpointLabels(this.agent, args.id)
        : await changeEndpointLabels(this.agent, args.id, {add, remove})
    await this.show(labels, endpointLabelsText)
  }
}
