import {Args, Flags} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {type DumpedTable, type Dumps, dumpTable, dumpTables, tablesText, tableText} from '../../../cli/dbg/statedb.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class StateDb extends AgentCommand<Dumps | DumpedTable> {
  static override summary = "show the agent's tables: what is desired, what is real, and the last error"
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> endpoints',
    '<%= config.bin %> <%= command.id %> addresses -o json',
  ]
  static override args = {table: Args.string({description: 'one table; a list of all when absent'})}
  static override flags = {
    maps: Flags.boolean({summary: 'compare with the maps of the datapath', default: true, allowNo: true}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(StateDb)
    if (args.table === undefined) return this.show(await dumpTables(this.agent), (dumps) => tablesText(dumps as Dumps))
    const dump = await dumpTable(this.agent, args.table, flags.maps ? {} : undefined)
    await this.show(dump, (one) => tableText(one as DumpedTable))
  }
}
