import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../../cli/base-command.ts'

export default class GetConfig extends BaseCommand {
  static override summary = 'show a value of the configuration'
  static override examples = ['<%= config.bin %> <%= command.id %> server']
  static override args = {key: Args.string({description: 'key; all when not given'})}
  static override flags = {config: Flags.string({summary: 'configuration file', env: 'HUBBLE_CONFIG'})}

  async run(): Promise<void> {
    const {args, flags} = await this.parse(GetConfig)
    const {getConfig} = await import('../../../cli/hubble/config-actions.ts')
    await this.print(await getConfig(flags.config, args.key))
  }
}
