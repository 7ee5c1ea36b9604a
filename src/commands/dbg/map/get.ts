import {Args} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {getMap, type MapContent, mapEntryTable} from '../../../cli/dbg/map.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class MapGet extends AgentCommand<MapContent> {
  static override summary = 'show what the agent wants a map to hold, and what failed'
  static override examples = ['<%= config.bin %> <%= command.id %> cilium_ipcache']
  static override args = {name: Args.string({required: true, description: 'name of the map'})}
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    const {args} = await this.parse(MapGet)
    await this.show(await getMap(this.agent, args.name), mapEntryTable)
  }
}
