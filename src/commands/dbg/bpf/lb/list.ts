import {Flags} from '@oclif/core'
import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {backendsText, frontendsText, readBackends, readFrontends} from '../../../../cli/dbg/bpf/lb.ts'
import type {KeyedText} from '../../../../cli/dbg/bpf/map-place.ts'
import {outputFlag} from '../../../../cli/output-format.ts'

export default class BpfLbList extends BpfCommand<KeyedText> {
  static override summary = 'list the services and backends that packets and sockets find'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --backends']
  static override flags = {
    backends: Flags.boolean({summary: 'list backends by their number'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(BpfLbList)
    if (flags.backends) await this.show(await readBackends(this.place), backendsText)
    else await this.show(await readFrontends(this.place), frontendsText)
  }
}
