import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../cli/base-command.ts'
import {runInLab} from '../../cli/lab/exec.ts'

export default class LabExec extends BaseCommand {
  static override summary = 'run a command on a node of a lab, or outside'
  static override description = "Its exit code is the command's."
  static override examples = [
    '<%= config.bin %> <%= command.id %> node1 -- ip route',
    '<%= config.bin %> <%= command.id %> outside -- curl -s http://172.30.0.11:30080',
  ]
  static override args = {
    place: Args.string({required: true, description: 'a node, "outside", or "fabric" for the router between them'}),
  }
  static override flags = {
    name: Flags.string({summary: 'name of the lab', default: 'lab'}),
  }
  static override strict = false

  async run(): Promise<void> {
    const {args, argv, flags} = await this.parse(LabExec)
    // the parser brings words that stand twice together; behind the dashes they are the user's own, in their order
    const dashes = this.argv.indexOf('--')
    const command = dashes === -1 ? (argv as string[]).slice(1) : this.argv.slice(dashes + 1)
    process.exitCode = await runInLab(flags.name, args.place, command)
  }
}
