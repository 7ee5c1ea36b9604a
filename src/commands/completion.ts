import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../cli/base-command.ts'
import {completionScript, shells} from '../cli/completion.ts'

export default class Completion extends BaseCommand {
  static override summary = 'print a script by which a shell completes commands and flags'
  static override examples = [
    'source <(<%= config.bin %> <%= command.id %> bash)',
    '<%= config.bin %> <%= command.id %> zsh > _<%= config.bin %>',
    '<%= config.bin %> <%= command.id %> fish | source',
  ]
  static override args = {shell: Args.string({description: 'which shell', options: [...shells], required: true})}
  static override flags = {'no-descriptions': Flags.boolean({summary: 'leave out what each word does'})}

  async run(): Promise<void> {
    const {args, flags} = await this.parse(Completion)
    const shell = shells.find((name) => name === args.shell)!
    await this.print(completionScript(this.config, shell, !flags['no-descriptions']))
  }
}
