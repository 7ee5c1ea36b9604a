import {ClusterCommand} from '../../cli/base-command.ts'
import {configText, viewConfig} from '../../cli/config/view.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class ConfigView extends ClusterCommand<Readonly<Record<string, string>>> {
  static override summary = 'show the configuration of agents and operators'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['summary', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(ConfigView)
    await this.show(await viewConfig(this.cluster), configText)
  }
}
