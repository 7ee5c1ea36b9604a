import {Args} from '@oclif/core'
import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {findIdentity} from '../../../../cli/dbg/bpf/ipcache.ts'

export default class BpfIpcacheGet extends BpfCommand<string> {
  static override summary = 'show the identity of an address'
  static override examples = ['<%= config.bin %> <%= command.id %> 10.0.1.5']
  static override args = {address: Args.string({required: true, description: 'address'})}
  static override flags = {}

  async run(): Promise<void> {
    const {args} = await this.parse(BpfIpcacheGet)
    await this.print(await findIdentity(this.place, args.address))
  }
}
