import {Flags} from '@oclif/core'
import {BaseCommand} from '../../cli/base-command.ts'
import {labStatusText} from '../../cli/lab/render.ts'
import {type LabStatus, readLabStatus} from '../../cli/lab/status.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class LabStatusCommand extends BaseCommand<readonly LabStatus[]> {
  static override summary = 'show the labs of this machine: nodes, processes, what is wrong'
  static override examples = ['<%= config.bin %> <%= command.id %> --name lab']
  static override flags = {
    name: Flags.string({summary: 'only this lab'}),
    output: outputFlag(['text', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(LabStatusCommand)
    const labs = await readLabStatus(flags.name)
    await this.show(labs, labStatusText)
    if (labs.some((lab) => lab.problems.length > 0)) this.exitWith('unhealthy')
  }
}
