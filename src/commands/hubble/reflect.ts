import {HubbleCommand} from '../../cli/hubble/hubble-command.ts'

export default class ReflectServer extends HubbleCommand {
  static override summary = 'list the services of a server and their methods'
  static override hidden = true
  static override examples = ['<%= config.bin %> <%= command.id %> --server unix:///var/run/cilium/hubble.sock']

  async run(): Promise<void> {
    const {flags} = await this.parse(ReflectServer)
    const {readServices, servicesText} = await import('../../cli/hubble/reflect.ts')
    await this.withServer(flags, async (server) => this.print(servicesText(await readServices(server, this.signal))))
  }
}
