import {Flags} from '@oclif/core'
import {type AddressEntries, addressTable, listAddresses} from '../../../cli/dbg/address.ts'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class IpList extends AgentCommand<AddressEntries> {
  static override summary = 'list addresses that this agent knows, with their identity'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -n']
  static override flags = {
    numeric: Flags.boolean({char: 'n', summary: 'show identities as numbers'}),
    verbose: Flags.boolean({char: 'v', summary: 'show also host and encryption key'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(IpList)
    const report = await listAddresses(this.agent, {numeric: flags.numeric})
    await this.show(report.entries, () => addressTable(report, {verbose: flags.verbose}))
  }
}
