import {Flags} from '@oclif/core'
import {HubbleCommand} from '../../../cli/hubble/hubble-command.ts'
import {filterFlags, formatFlags, selectorFlags} from '../../../cli/hubble/observe-flags.ts'

export default class Observe extends HubbleCommand {
  static override summary = 'show flows'
  static override description =
    'Values of one flag are joined by or, flags by and. --not before a filter leaves out what it matches.'
  static override aliases = ['hubble:observe:flows']
  static override examples = [
    '<%= config.bin %> <%= command.id %> --since 5m --verdict DROPPED',
    '<%= config.bin %> <%= command.id %> -f --namespace shop --not --port 53',
    '<%= config.bin %> <%= command.id %> --from-label app=web --to-label app=api -o json',
  ]
  static override flags = {
    ...selectorFlags,
    ...filterFlags,
    ...formatFlags,
    'print-policy-names': Flags.boolean({summary: 'show which policies decided'}),
    'print-payload': Flags.boolean({
      summary: 'show the first bytes of packets, of nodes that take them (value bpf.events.payloadBytes)',
    }),
    'ip-translation': Flags.boolean({summary: 'show names instead of addresses', default: true, allowNo: true}),
    numeric: Flags.boolean({summary: 'show identities as numbers'}),
    explain: Flags.boolean({summary: 'say of drops why, and where to look further'}),
    'silent-errors': Flags.boolean({char: 's', summary: 'say nothing of lost events and nodes'}),
    'input-file': Flags.string({summary: 'read flows as JSON from a file, or from stdin (-), instead of a server'}),
    'field-mask': Flags.string({summary: 'ask for these fields only, with commas; JSON only'}),
    'use-default-field-masks': Flags.string({
      summary: 'ask only for what is printed',
      default: 'true',
      options: ['true', 'false'],
    }),
    'print-raw-filters': Flags.boolean({summary: 'print the filters as YAML for the configuration file, and end'}),
  }

  async run(): Promise<void> {
    const {flags, raw} = await this.parse(Observe)
    const {observeFlows} = await import('../../../cli/hubble/observe-run.ts')
    await observeFlows({
      flags,
      raw,
      signal: this.signal,
      write: (text) => this.print(text),
      writeRaw: (text) => void process.stdout.write(text),
      withServer: (use) => this.withServer(flags, use),
    })
  }
}
