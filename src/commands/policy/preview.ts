import {Args, Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {outputFlag} from '../../cli/output-format.ts'
import {type PreviewReport, previewPolicies, previewText} from '../../cli/policy/preview.ts'

export default class PolicyPreview extends ClusterCommand<PreviewReport> {
  static override summary = 'show which connections the policies of a file would allow or cut'
  static override description =
    'Compares the cluster as it is with the cluster after `kubectl apply -f FILE`. Nothing is changed. Pods that no policy tells apart are shown once.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> policies.yaml',
    '<%= config.bin %> <%= command.id %> --remove policies.yaml',
    '<%= config.bin %> <%= command.id %> policies.yaml -o jsonpath={.cut}',
  ]
  static override args = {file: Args.string({description: 'YAML or JSON, - for standard input', required: true})}
  static override flags = {
    remove: Flags.boolean({summary: 'show what taking these policies away would change'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(PolicyPreview)
    const report = await previewPolicies(this.cluster, {files: [args.file], remove: flags.remove}, this.signal)
    await this.show(report, previewText)
  }
}
