import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {listMaps, type Maps, mapTable} from '../../../cli/dbg/map.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class MapList extends AgentCommand<Maps> {
  static override summary = 'list the maps that the agent keeps in step with the kernel'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(MapList)
    await this.show(await listMaps(this.agent), mapTable)
  }
}
