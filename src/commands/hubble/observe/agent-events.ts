import {HubbleCommand} from '../../../cli/hubble/hubble-command.ts'
import {formatFlags, selectorFlags} from '../../../cli/hubble/observe-flags.ts'

export default class ObserveAgentEvents extends HubbleCommand {
  static override summary = 'show what an agent did'
  static override description =
    'Nodes know their own events only: ask one, in the agent, at unix:///var/run/cilium/hubble.sock.'
  static override examples = ['<%= config.bin %> <%= command.id %> -f --server unix:///var/run/cilium/hubble.sock']
  static override flags = {...selectorFlags, ...formatFlags}

  async run(): Promise<void> {
    const {flags} = await this.parse(ObserveAgentEvents)
    const {observeAgentEvents} = await import('../../../cli/hubble/observe-events.ts')
    await this.withServer(flags, (server) =>
      observeAgentEvents(server, flags, {signal: this.signal, write: (text) => this.print(text)}),
    )
  }
}
