import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../../cli/base-command.ts'

export default class SetConfig extends BaseCommand {
  static override summary = 'set a value of the configuration'
  static override examples = ['<%= config.bin %> <%= command.id %> server localhost:4245']
  static override args = {
    key: Args.string({description: 'key', required: true}),
    value: Args.string({description: 'value; the default again when not given'}),
  }
  static override flags = {config: Flags.string({summary: 'configuration file', env: 'HUBBLE_CONFIG'})}

  async run(): Promise<void> {
    const {args, flags} = await this.parse(SetConfig)
    const {setConfig} = await import('../../../cli/hubble/config-actions.ts')
    await setConfig(flags.config, args.key, args.value)
  }
}
