import {Flags} from '@oclif/core'
import {BaseCommand} from '../../../cli/base-command.ts'

export default class ViewConfig extends BaseCommand {
  static override summary = 'show the configuration'
  static override examples = ['<%= config.bin %> <%= command.id %>']
  static override flags = {config: Flags.string({summary: 'configuration file', env: 'HUBBLE_CONFIG'})}

  async run(): Promise<void> {
    const {flags} = await this.parse(ViewConfig)
    const {viewConfig} = await import('../../../cli/hubble/config-actions.ts')
    await this.print(await viewConfig(flags.config))
  }
}
