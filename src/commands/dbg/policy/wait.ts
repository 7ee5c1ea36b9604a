import {Args} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {waitForRevision} from '../../../cli/dbg/policy.ts'
import {durationFlag} from '../../../cli/duration-flag.ts'

export default class PolicyWait extends AgentCommand<void> {
  static override summary = 'wait until the policies up to a revision hold at every endpoint'
  static override examples = [
    '<%= config.bin %> <%= command.id %> 7',
    '<%= config.bin %> <%= command.id %> 7 --max-wait-time 30s',
  ]
  static override args = {revision: Args.integer({required: true, description: 'as "policy get" shows it'})}
  static override flags = {
    'max-wait-time': durationFlag({name: 'max-wait-time', summary: 'give up waiting after this long', default: '6m'}),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(PolicyWait)
    await waitForRevision(this.agent, {revision: args.revision, timeoutMs: flags['max-wait-time']})
  }
}
