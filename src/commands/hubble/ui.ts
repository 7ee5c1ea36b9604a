import {Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'

export default class HubbleUi extends ClusterCommand {
  static override summary = 'show the map of flows in the browser, until Ctrl-C'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --no-open-browser --port-forward 8080',
  ]
  static override flags = {
    'port-forward': Flags.integer({summary: 'local port, 0 for any free one', default: 12000, min: 0, max: 65535}),
    'open-browser': Flags.boolean({summary: 'open the page in the browser', default: true, allowNo: true}),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(HubbleUi)
    const {openBrowser, runForward} = await import('../../cli/hubble/forward-command.ts')
    await runForward({
      cluster: this.cluster,
      service: 'hubble-ui',
      localPort: flags['port-forward'],
      signal: this.signal,
      onOpen: async (port) => {
        const url = `http://localhost:${port}`
        await this.print(`Hubble UI is at ${url}`)
        if (flags['open-browser'] && !(await openBrowser(url))) this.note(`open ${url} in a browser`)
      },
      onProblem: (text) => this.note(text),
    })
  }
}
