import {Args} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {getIdentity, type Identities, identityTable} from '../../../cli/dbg/identity.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class IdentityGet extends AgentCommand<Identities> {
  static override summary = 'show the labels of one identity'
  static override examples = ['<%= config.bin %> <%= command.id %> 1']
  static override args = {id: Args.string({required: true, description: 'number of the identity'})}
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    const {args} = await this.parse(IdentityGet)
    await this.show(await getIdentity(this.agent, args.id), identityTable)
  }
}
