import {Args, Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {outputFlag} from '../../cli/output-format.ts'
import {type CheckReport, checkPolicies, checkText} from '../../cli/policy/check.ts'

export default class PolicyCheck extends ClusterCommand<CheckReport> {
  static override summary = 'tell what is wrong with the policies of a file, and what is probably not meant'
  static override description =
    'Looks for rules that select nothing, name unknown ports, say what is said already, or allow what another rule denies. Exit code: 0 good or doubtful, 3 invalid (with --strict: doubtful, too).'
  static override examples = [
    '<%= config.bin %> <%= command.id %> policies.yaml',
    '<%= config.bin %> <%= command.id %> --offline --strict policies.yaml',
    'kubectl kustomize . | <%= config.bin %> <%= command.id %> - -o json',
  ]
  static override args = {file: Args.string({description: 'YAML or JSON, - for standard input', required: true})}
  static override flags = {
    offline: Flags.boolean({summary: 'judge the text alone; no cluster is asked who there is'}),
    strict: Flags.boolean({summary: 'doubtful policies fail, too'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(PolicyCheck)
    const report = await checkPolicies(this.cluster, {files: [args.file], offline: flags.offline}, this.signal)
    await this.show(report, checkText)
    if (report.verdict === 'invalid' || (flags.strict && report.verdict === 'doubtful')) this.exitWith('unhealthy')
  }
}
