import {Flags} from '@oclif/core'
import {HubbleCommand} from '../../../cli/hubble/hubble-command.ts'

export default class ListNamespaces extends HubbleCommand {
  static override summary = 'list the namespaces that flows of the last hour came from or went to'
  static override aliases = ['hubble:list:namespace']
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
    const {flags} = await this.parse(ListNamespaces)
    const {readNamespaces} = await import('../../../cli/hubble/status.ts')
    const {namespacesAnswer} = await import('../../../cli/hubble/answers.ts')
    await this.withServer(flags, async (server) =>
      this.print(namespacesAnswer(await readNamespaces(server, this.signal), flags.output)),
    )
  }
}
