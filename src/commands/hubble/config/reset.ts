import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../../cli/base-command.ts'

export default class ResetConfig extends BaseCommand {
  static override summary = 'give a value of the configuration its default again'
  static override examples = ['<%= config.bin %> <%= command.id %> server']
  static override args = {key: Args.string({description: 'key; all when not given'})}
  static override flags = {config: Flags.string({summary: 'configuration file', env: 'HUBBLE_CONFIG'})}

  async run(): Promise<void> {
    const {args, flags} = await this.parse(ResetConfig)
    const {resetConfig} = await import('../../../cli/hubble/config-actions.ts')
    await resetConfig(flags.config, args.key)
  }
}
