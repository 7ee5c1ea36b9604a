import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {counterText, type PacketCount, readCounters} from '../../../../cli/dbg/bpf/counter.ts'
import {outputFlag} from '../../../../cli/output-format.ts'

export default class BpfMetricsList extends BpfCommand<readonly PacketCount[]> {
  static override summary = 'list how many packets the datapath forwarded and dropped, and why'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(BpfMetricsList)
    await this.show(await readCounters(this.place), counterText)
  }
}
