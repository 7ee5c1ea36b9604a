import {Flags} from '@oclif/core'
import {BaseCommand} from '../../cli/base-command.ts'
import {takeDown} from '../../cli/lab/down.ts'

export default class LabDown extends BaseCommand {
  static override summary = 'remove a lab with all that it made'
  static override description = 'Works in whatever state the lab is, and is no error when there is none.'
  static override examples = ['<%= config.bin %> <%= command.id %> --name lab']
  static override flags = {
    name: Flags.string({summary: 'name of the lab', default: 'lab'}),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(LabDown)
    const found = await takeDown(flags.name, {signal: this.signal, quiet: this.forPrograms})
    this.note(found ? `lab "${flags.name}" is gone` : `there was no lab "${flags.name}"`)
  }
}
