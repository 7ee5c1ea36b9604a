import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {endpointText, readEndpoints} from '../../../../cli/dbg/bpf/endpoint.ts'
import type {KeyedText} from '../../../../cli/dbg/bpf/map-place.ts'
import {outputFlag} from '../../../../cli/output-format.ts'

export default class BpfEndpointList extends BpfCommand<KeyedText> {
  static override summary = 'list the endpoints that the datapath knows'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> -o json']
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(BpfEndpointList)
    await this.show(await readEndpoints(this.place), endpointText)
  }
}
