import {HubbleCommand} from '../../../cli/hubble/hubble-command.ts'

export default class WatchPeers extends HubbleCommand {
  static override summary = 'show the nodes that a node knows, and how they change'
  static override hidden = true
  static override examples = ['<%= config.bin %> <%= command.id %> --server unix:///var/run/cilium/hubble.sock']

  async run(): Promise<void> {
    const {flags} = await this.parse(WatchPeers)
    const {watchPeers} = await import('../../../cli/hubble/status.ts')
    await this.withServer(flags, (server) => watchPeers(server, this.signal, (line) => this.print(line)))
  }
}
