import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {type LocalRedirects, listLocalRedirects, localRedirectTable} from '../../../cli/dbg/local-redirect.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class LrpList extends AgentCommand<LocalRedirects> {
  static override summary = 'list the local redirect policies, and what they redirect on this node'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(LrpList)
    await this.show(await listLocalRedirects(this.agent), localRedirectTable)
  }
}
