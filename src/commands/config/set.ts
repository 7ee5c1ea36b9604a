import {Args, Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {type ConfigChangeResult, changeConfig, changeText} from '../../cli/config/change.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class ConfigSet extends ClusterCommand<ConfigChangeResult> {
  static override summary = 'set a key of the configuration'
  static override examples = ['<%= config.bin %> <%= command.id %> debug true']
  static override args = {
    key: Args.string({description: 'key, as cilium config view shows it', required: true}),
    value: Args.string({description: 'its value', required: true}),
  }
  static override flags = {
    restart: Flags.boolean({char: 'r', summary: 'restart agents and operators', default: true, allowNo: true}),
    output: outputFlag(['summary', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(ConfigSet)
    const progress = {signal: this.signal, quiet: this.forPrograms}
    await this.show(await changeConfig({cluster: this.cluster, ...args, restart: flags.restart, progress}), changeText)
  }
}
