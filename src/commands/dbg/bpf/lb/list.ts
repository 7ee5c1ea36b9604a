import {Flags} from '@oclif/core'
import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {
  backendsText,
  frontendRefsText,
  frontendsText,
  readBackends,
  readFrontendRefs,
  readFrontends,
  readReverse,
  readSourceRanges,
  reverseText,
  sourceRangesText,
} from '../../../../cli/dbg/bpf/lb.ts'
import type {KeyedText} from '../../../../cli/dbg/bpf/map-place.ts'
import {outputFlag} from '../../../../cli/output-format.ts'

const views = (own: string) => ['frontends', 'backends', 'revnat', 'source-ranges'].filter((view) => view !== own)

export default class BpfLbList extends BpfCommand<KeyedText> {
  static override summary = 'list the services and backends that packets and sockets find'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --backends']
  static override flags = {
    frontends: Flags.boolean({summary: 'list frontends alone', exclusive: views('frontends')}),
    backends: Flags.boolean({summary: 'list backends by their number', exclusive: views('backends')}),
    revnat: Flags.boolean({summary: 'list what answers are sent back as', exclusive: views('revnat')}),
    'source-ranges': Flags.boolean({
      summary: 'list the clients that services are for',
      exclusive: views('source-ranges'),
    }),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(BpfLbList)
    if (flags.backends) await this.show(await readBackends(this.place), backendsText)
    else if (flags.frontends) await this.show(await readFrontendRefs(this.place), frontendRefsText)
    else if (flags.revnat) await this.show(await readReverse(this.place), reverseText)
    else if (flags['source-ranges']) await this.show(await readSourceRanges(this.place), sourceRangesText)
    else await this.show(await readFrontends(this.place), frontendsText)
  }
}
