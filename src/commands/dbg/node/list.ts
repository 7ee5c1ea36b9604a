import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {listNodes, type Nodes, nodeTable} from '../../../cli/dbg/node.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class NodeList extends AgentCommand<Nodes> {
  static override summary = 'list nodes that this agent knows'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(NodeList)
    await this.show(await listNodes(this.agent), nodeTable)
  }
}
