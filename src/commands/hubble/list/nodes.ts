import {Flags} from '@oclif/core'
import {HubbleCommand} from '../../../cli/hubble/hubble-command.ts'

export default class ListNodes extends HubbleCommand {
  static override summary = 'list the nodes that a relay asks for flows'
  static override aliases = ['hubble:list:node']
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o wide']
  static override flags = {
    output: Flags.string({
      char: 'o',
      summary: 'form of the answer',
      options: ['table', 'wide', 'json'],
      default: 'table',
    }),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(ListNodes)
    const {readNodes} = await import('../../../cli/hubble/status.ts')
    const {nodesAnswer} = await import('../../../cli/hubble/answers.ts')
    await this.withServer(flags, async (server) =>
      this.print(nodesAnswer(await readNodes(server, this.signal), flags.output)),
    )
  }
}
