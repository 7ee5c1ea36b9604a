import {Flags} from '@oclif/core'
import {HubbleCommand} from '../../cli/hubble/hubble-command.ts'

export default class Status extends HubbleCommand {
  static override summary = 'ask a server whether and how it works'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {
    output: Flags.string({
      char: 'o',
      summary: 'form of the answer',
      options: ['compact', 'dict', 'json', 'table'],
      default: 'compact',
    }),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Status)
    const {readStatus} = await import('../../cli/hubble/status.ts')
    const {statusAnswer} = await import('../../cli/hubble/answers.ts')
    await this.withServer(flags, async (server) =>
      this.print(statusAnswer(await readStatus(server, this.signal), server.server, flags.output)),
    )
  }
}
