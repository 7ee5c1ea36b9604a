import {Args, Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {type ConfigChangeResult, changeConfig, changeText} from '../../cli/config/change.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class ConfigDelete extends ClusterCommand<ConfigChangeResult> {
  static override summary = 'take back what was set for a key of the configuration'
  static override examples = ['<%= config.bin %> <%= command.id %> debug']
  static override args = {key: Args.string({description: 'key that was set with config set', required: true})}
  static override flags = {
    restart: Flags.boolean({char: 'r', summary: 'restart agents and operators', default: true, allowNo: true}),
    output: outputFlag(['summary', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(ConfigDelete)
    const change = {cluster: this.cluster, key: args.key, value: undefined, restart: flags.restart}
    const progress = {signal: this.signal, quiet: this.forPrograms}
    await this.show(await changeConfig({...change, progress}), changeText)
  }
}
