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
    '<%= config.bin %> <%= command.id %> policies.yaml --since 1h',
    '<%= config.bin %> <%= command.id %> --remove policies.yaml',
    '<%= config.bin %> <%= command.id %> policies.yaml -o jsonpath={.cut}',
  ]
  static override args = {file: Args.string({description: 'YAML or JSON, - for standard input', required: true})}
  static override flags = {
    remove: Flags.boolean({summary: 'show what taking these policies away would change'}),
    since: Flags.string({
      summary: 'judge the flows that the relay recorded since then, too: a span such as 1h, or a time',
    }),
    'input-file': Flags.string({summary: 'judge these flows: lines of "hubble observe -o json"; - for standard input'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(PolicyPreview)
    const {since, 'input-file': file} = flags
    const {parseTime} = await import('../../cli/hubble/time.ts')
    const from = since === undefined ? 0n : parseTime(since, 'since')
    const flows = since === undefined && file === undefined ? undefined : {since: from, file}
    const request = {files: [args.file], remove: flags.remove, flows}
    const report = await previewPolicies(this.cluster, request, this.signal)
    await this.show(report, previewText)
  }
}
