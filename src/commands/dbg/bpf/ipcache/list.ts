import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {ipcacheText, readIpcache} from '../../../../cli/dbg/bpf/ipcache.ts'
import type {KeyedText} from '../../../../cli/dbg/bpf/map-place.ts'
import {outputFlag} from '../../../../cli/output-format.ts'

export default class BpfIpcacheList extends BpfCommand<KeyedText> {
  static override summary = 'list which address has which identity'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(BpfIpcacheList)
    await this.show(await readIpcache(this.place), ipcacheText)
  }
}
