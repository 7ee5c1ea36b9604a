import {Flags} from '@oclif/core'
import {BaseCommand} from '../../cli/base-command.ts'
import {parseTypes} from '../../cli/dbg/monitor/filter.ts'
import {showMonitor} from '../../cli/dbg/monitor/monitor.ts'

const endpoints = (summary: string) => Flags.integer({summary, multiple: true, multipleNonGreedy: true})

export default class Monitor extends BaseCommand {
  static override summary = 'show what the datapath of this node does, as it happens'
  static override description = 'Needs the agent: it is the one that reads the events of the programs.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> -t drop',
    '<%= config.bin %> <%= command.id %> --related-to 7 -j',
  ]
  static override flags = {
    type: Flags.string({
      char: 't',
      summary:
        'only events of this type: agent, capture, debug, drop, l7, policy-verdict, trace, trace-sock; repeatable',
      multiple: true,
      multipleNonGreedy: true,
    }),
    from: endpoints('only events with this source endpoint, repeatable'),
    to: endpoints('only events with this destination endpoint, repeatable'),
    'related-to': endpoints('only events with this endpoint at either end, repeatable'),
    numeric: Flags.boolean({char: 'n', summary: 'show identities as numbers'}),
    json: Flags.boolean({char: 'j', summary: 'one JSON object a line'}),
    verbose: Flags.boolean({char: 'v', summary: 'show details of each event'}),
    hex: Flags.boolean({summary: 'show the first bytes of packets, where the agent takes them (trace-payloadlen)'}),
    'monitor-socket': Flags.string({summary: 'socket of the agent'}),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Monitor)
    await showMonitor({
      json: flags.json,
      numeric: flags.numeric,
      verbosity: flags.verbose ? 1 : 0,
      hex: flags.hex,
      filter: {
        types: parseTypes((flags.type ?? []).flatMap((word) => word.split(','))),
        from: flags.from ?? [],
        to: flags.to ?? [],
        relatedTo: flags['related-to'] ?? [],
      },
      socket: flags['monitor-socket'],
      signal: this.signal,
      onStart: (cpus) => flags.json || this.note(`Listening for events on ${cpus} CPUs\nPress Ctrl-C to quit`),
      write: (line) => this.print(line),
    })
  }
}
