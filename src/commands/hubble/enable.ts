import {Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {durationFlag} from '../../cli/duration-flag.ts'
import {changeHubble, type HubbleChangeResult, hubbleChangeText} from '../../cli/hubble/enable.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class HubbleEnable extends ClusterCommand<HubbleChangeResult> {
  static override summary = 'switch the relay and the user interface of Hubble on'
  static override examples = ['<%= config.bin %> <%= command.id %> --wait', '<%= config.bin %> <%= command.id %> --ui']
  static override flags = {
    relay: Flags.boolean({summary: 'collect the flows of all nodes at one address', default: true, allowNo: true}),
    ui: Flags.boolean({summary: 'offer the map of flows as a web page', default: false, allowNo: true}),
    wait: Flags.boolean({summary: 'wait until they can be used'}),
    'wait-duration': durationFlag({name: 'wait-duration', summary: 'give up waiting after this long', default: '5m'}),
    output: outputFlag(['summary', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(HubbleEnable)
    const {relay, ui, wait} = flags
    const progress = {signal: this.signal, quiet: this.forPrograms}
    const result = await changeHubble({
      cluster: this.cluster,
      relay,
      ui,
      wait,
      waitMs: flags['wait-duration'],
      progress,
    })
    await this.show(result, hubbleChangeText)
    if (result.waitingFor !== undefined) this.exitWith('unhealthy')
  }
}
