import {Args} from '@oclif/core'
import {BpfCommand} from '../../../../../cli/dbg/bpf/bpf-command.ts'
import {maglevTableText, readMaglevTable} from '../../../../../cli/dbg/bpf/maglev.ts'
import type {KeyedText} from '../../../../../cli/dbg/bpf/map-place.ts'
import {outputFlag} from '../../../../../cli/output-format.ts'

export default class BpfLbMaglevGet extends BpfCommand<KeyedText> {
  static override summary = 'show the backend of each place of a Maglev table'
  static override examples = ['<%= config.bin %> <%= command.id %> 7']
  static override args = {id: Args.integer({required: true, min: 1, description: 'service id'})}
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    const {args} = await this.parse(BpfLbMaglevGet)
    await this.show(await readMaglevTable(this.place, args.id), maglevTableText)
  }
}
