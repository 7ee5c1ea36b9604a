import {Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {outputFlag} from '../../cli/output-format.ts'
import {type ExplainReport, explainText} from '../../cli/policy/explain.ts'
import {tracePolicy} from '../../cli/policy/trace.ts'

const labels = (char: 's' | 'd', summary: string) =>
  Flags.string({char, summary, required: true, multiple: true, multipleNonGreedy: true, helpValue: 'LABEL'})

export default class PolicyTrace extends ClusterCommand<ExplainReport> {
  static override summary = 'tell whether something with these labels would reach something with those'
  static override description =
    'Labels are those of a pod, or a reserved one alone, such as reserved:world, or those of a node, such as node:role=infra. What they leave out is that of a pod in namespace default.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> -s app=client -d app=web --dport 80',
    '<%= config.bin %> <%= command.id %> -s io.kubernetes.pod.namespace=shop -s app=cart -d app=db -d io.kubernetes.pod.namespace=data --dport 5432/TCP',
    '<%= config.bin %> <%= command.id %> -s reserved:world -d app=web --dport 443 -f policies.yaml',
  ]
  static override flags = {
    src: labels('s', 'label of the sender, repeatable'),
    dst: labels('d', 'label of the receiver, repeatable'),
    dport: Flags.string({
      summary: 'port of the receiver, repeatable: 80, 53/UDP, 8/ICMP',
      required: true,
      multiple: true,
      multipleNonGreedy: true,
      helpValue: 'PORT',
    }),
    file: Flags.string({
      char: 'f',
      summary: 'judge by the policies of this file alone, repeatable; no cluster is asked',
      multiple: true,
      multipleNonGreedy: true,
    }),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(PolicyTrace)
    const question = {source: flags.src, destination: flags.dst, ports: flags.dport, files: flags.file ?? []}
    await this.show(await tracePolicy(this.cluster, question, this.signal), explainText)
  }
}
