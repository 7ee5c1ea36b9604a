import {BpfCommand} from '../../../../../cli/dbg/bpf/bpf-command.ts'
import {maglevTablesText, readMaglevTables} from '../../../../../cli/dbg/bpf/maglev.ts'
import type {KeyedText} from '../../../../../cli/dbg/bpf/map-place.ts'
import {outputFlag} from '../../../../../cli/output-format.ts'

export default class BpfLbMaglevList extends BpfCommand<KeyedText> {
  static override summary = 'list the services with a Maglev table and the places of each backend'
  static override examples = ['<%= config.bin %> <%= command.id %>']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(BpfLbMaglevList)
    await this.show(await readMaglevTables(this.place), maglevTablesText)
  }
}
