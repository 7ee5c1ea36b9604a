import {BaseCommand} from '../../cli/base-command.ts'

export default class HubbleVersion extends BaseCommand {
  static override summary = 'show the version of this program'
  static override examples = ['<%= config.bin %> <%= command.id %>']

  async run(): Promise<void> {
    await this.parse(HubbleVersion)
    const {hubbleVersionText} = await import('../../cli/hubble/version.ts')
    await this.print(hubbleVersionText())
  }
}
