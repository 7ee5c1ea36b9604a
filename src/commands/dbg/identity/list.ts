import {Args, Flags} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {
  type Identities,
  type IdentityUses,
  identityTable,
  identityUseTable,
  listIdentities,
  listIdentityUse,
} from '../../../cli/dbg/identity.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class IdentityList extends AgentCommand<Identities | IdentityUses> {
  static override summary = 'list identities that this agent knows'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> k8s:app=web',
    '<%= config.bin %> <%= command.id %> --endpoints -o json',
  ]
  static override strict = false
  static override args = {labels: Args.string({description: 'only identities that carry all of these labels'})}
  static override flags = {
    endpoints: Flags.boolean({summary: 'only those of endpoints of this node, with their count'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {argv, flags} = await this.parse(IdentityList)
    if (flags.endpoints) {
      const uses = await listIdentityUse(this.agent)
      await this.show(uses, () => identityUseTable(uses))
    } else {
      const identities = await listIdentities(this.agent, argv as string[])
      await this.show(identities, () => identityTable(identities))
    }
  }
}
