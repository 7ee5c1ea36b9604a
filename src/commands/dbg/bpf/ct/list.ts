import {Args, Flags} from '@oclif/core'
import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {type Connection, connections, connectionText} from '../../../../cli/dbg/bpf/connection.ts'
import {bootTime, readFlows} from '../../../../cli/dbg/bpf/flow.ts'
import {outputFlag} from '../../../../cli/output-format.ts'

export default class BpfCtList extends BpfCommand<readonly Connection[]> {
  static override summary = 'list the connections that the datapath tracks'
  static override examples = [
    '<%= config.bin %> <%= command.id %> global',
    '<%= config.bin %> <%= command.id %> global -d',
    '<%= config.bin %> <%= command.id %> -o json',
  ]
  static override args = {
    scope: Args.string({
      description: 'global: there is one table for all endpoints',
      options: ['global'],
      default: 'global',
    }),
  }
  static override flags = {
    'time-diff': Flags.boolean({char: 'd', summary: 'show how long each connection has left'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(BpfCtList)
    const list = connections(await readFlows(this.place))
    const nowS = flags['time-diff'] ? Number(bootTime() / 1_000_000_000n) : undefined
    await this.show(list, () => connectionText(list, nowS))
  }
}
