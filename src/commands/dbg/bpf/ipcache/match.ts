import {Args} from '@oclif/core'
import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {matchPrefix} from '../../../../cli/dbg/bpf/ipcache.ts'

export default class BpfIpcacheMatch extends BpfCommand<string> {
  static override summary = 'show the row of exactly this prefix'
  static override examples = ['<%= config.bin %> <%= command.id %> 10.0.1.5/32']
  static override args = {prefix: Args.string({required: true, description: 'prefix'})}
  static override flags = {}

  async run(): Promise<void> {
    const {args} = await this.parse(BpfIpcacheMatch)
    await this.print(await matchPrefix(this.place, args.prefix))
  }
}
