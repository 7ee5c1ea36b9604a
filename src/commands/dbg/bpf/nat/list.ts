import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {bootTime, readFlows} from '../../../../cli/dbg/bpf/flow.ts'
import {type Translation, translations, translationText} from '../../../../cli/dbg/bpf/translation.ts'
import {outputFlag} from '../../../../cli/output-format.ts'

export default class BpfNatList extends BpfCommand<readonly Translation[]> {
  static override summary = 'list the address translations that the datapath keeps'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(BpfNatList)
    const list = translations(await readFlows(this.place))
    await this.show(list, () => translationText(list, Number(bootTime() / 1_000_000_000n)))
  }
}
