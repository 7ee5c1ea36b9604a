import {Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'

export default class HubblePortForward extends ClusterCommand {
  static override summary = "lead a local port to the cluster's relay, until Ctrl-C"
  static override examples = ['<%= config.bin %> <%= command.id %> &']
  static override flags = {
    'port-forward': Flags.integer({summary: 'local port, 0 for any free one', default: 4245, min: 0, max: 65535}),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(HubblePortForward)
    const {runForward} = await import('../../cli/hubble/forward-command.ts')
    await runForward({
      cluster: this.cluster,
      service: 'hubble-relay',
      localPort: flags['port-forward'],
      signal: this.signal,
      onOpen: (port) => this.print(`Hubble Relay is available at 127.0.0.1:${port}`),
      onProblem: (text) => this.note(text),
    })
  }
}
