import {Args, Flags} from '@oclif/core'
import {BaseCommand} from '../../cli/base-command.ts'
import {type LoadedImages, loadIntoLab} from '../../cli/lab/load.ts'
import {loadedText} from '../../cli/lab/render.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class LabLoad extends BaseCommand<readonly LoadedImages[]> {
  static override summary = 'load an image archive into the nodes of a lab'
  static override examples = ['<%= config.bin %> <%= command.id %> dist/image/cilium.tar']
  static override args = {
    archive: Args.string({required: true, description: 'tar of an OCI layout or of "docker save"'}),
  }
  static override flags = {
    name: Flags.string({summary: 'name of the lab', default: 'lab'}),
    nodes: Flags.string({summary: 'only these nodes, with commas'}),
    output: outputFlag(['text', 'json']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(LabLoad)
    const loaded = await loadIntoLab(flags.name, args.archive, flags.nodes, {
      signal: this.signal,
      quiet: this.forPrograms,
    })
    await this.show(loaded, loadedText)
  }
}
