import {Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {durationFlag} from '../../cli/duration-flag.ts'
import {changeHubble, type HubbleChangeResult, hubbleChangeText} from '../../cli/hubble/enable.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class HubbleDisable extends ClusterCommand<HubbleChangeResult> {
  static override summary = 'switch the relay and the user interface of Hubble off'
  static override description = 'Agents go on recording flows: hubble.enabled=false ends that.'
  static override examples = ['<%= config.bin %> <%= command.id %>']
  static override flags = {
    wait: Flags.boolean({summary: 'wait until they are gone'}),
    'wait-duration': durationFlag({name: 'wait-duration', summary: 'give up waiting after this long', default: '5m'}),
    output: outputFlag(['summary', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(HubbleDisable)
    const progress = {signal: this.signal, quiet: this.forPrograms}
    const off = {relay: false, ui: false}
    const waitMs = flags['wait-duration']
    const result = await changeHubble({cluster: this.cluster, ...off, wait: flags.wait, waitMs, progress})
    await this.show(result, hubbleChangeText)
    if (result.waitingFor !== undefined) this.exitWith('unhealthy')
  }
}
