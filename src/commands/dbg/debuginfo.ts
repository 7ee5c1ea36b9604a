import {AgentCommand} from '../../cli/dbg/agent-command.ts'
import {type DebugInfo, debugInfo, debugInfoText} from '../../cli/dbg/debuginfo.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class DebugInfoCommand extends AgentCommand<DebugInfo> {
  static override summary = 'show all that the agent tells of itself, to attach to a report'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(DebugInfoCommand)
    await this.show(await debugInfo(this.agent), debugInfoText)
  }
}
