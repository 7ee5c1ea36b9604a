import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {type Dumps, dumpTables} from '../../../cli/dbg/statedb.ts'
import {toJson} from '../../../cli/render/text.ts'

export default class StateDbDump extends AgentCommand<Dumps> {
  static override summary = "print all of the agent's tables as JSON"
  static override examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<void> {
    await this.parse(StateDbDump)
    await this.print(toJson(await dumpTables(this.agent)))
  }
}
