import {ClusterCommand} from '../cli/base-command.ts'
import {type ContextFacts, contextText, readContext} from '../cli/install/context.ts'
import {outputFlag} from '../cli/output-format.ts'

export default class Context extends ClusterCommand<ContextFacts> {
  static override summary = 'show which cluster the kubeconfig leads to'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --context lab',
  ]
  static override flags = {output: outputFlag(['summary', 'json', 'yaml'])}

  async run(): Promise<void> {
    await this.parse(Context)
    await this.show(await readContext(this.cluster), contextText)
  }
}
