import {Args, Flags} from '@oclif/core'
import {type AddressEntries, addressTable, listAddresses} from '../../../cli/dbg/address.ts'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class IpGet extends AgentCommand<AddressEntries> {
  static override summary = 'show the identity of an address, or of all in a prefix'
  static override examples = ['<%= config.bin %> <%= command.id %> 10.0.1.5']
  static override args = {address: Args.string({required: true, description: 'address or prefix'})}
  static override flags = {
    numeric: Flags.boolean({char: 'n', summary: 'show identities as numbers'}),
    verbose: Flags.boolean({char: 'v', summary: 'show also host and encryption key'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(IpGet)
    const report = await listAddresses(this.agent, {numeric: flags.numeric, cidr: args.address})
    await this.show(report.entries, () => addressTable(report, {verbose: flags.verbose}))
  }
}
