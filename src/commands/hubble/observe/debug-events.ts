import {HubbleCommand} from '../../../cli/hubble/hubble-command.ts'
import {formatFlags, selectorFlags} from '../../../cli/hubble/observe-flags.ts'

export default class ObserveDebugEvents extends HubbleCommand {
  static override summary = 'show debug messages of programs, where a node has any'
  static override description = 'The programs of this version write none; those of other servers may.'
  static override examples = ['<%= config.bin %> <%= command.id %> -f --server unix:///var/run/cilium/hubble.sock']
  static override flags = {...selectorFlags, ...formatFlags}

  async run(): Promise<void> {
    const {flags} = await this.parse(ObserveDebugEvents)
    const {observeDebugEvents} = await import('../../../cli/hubble/observe-events.ts')
    await this.withServer(flags, (server) =>
      observeDebugEvents(server, flags, {signal: this.signal, write: (text) => this.print(text)}),
    )
  }
}
