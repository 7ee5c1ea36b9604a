import {Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'

export default class PolicySuggest extends ClusterCommand {
  static override summary = 'write policies for a namespace that allow what was seen there, for review'
  static override description =
    'Reads recorded flows from the relay and prints a policy for each workload, with the reason of each rule. Nothing is applied.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> -n shop > shop.yaml',
    '<%= config.bin %> <%= command.id %> -n shop --since 24h',
    '<%= config.bin %> <%= command.id %> -n shop --kind NetworkPolicy',
    'hubble observe --all -o json | <%= config.bin %> <%= command.id %> -n shop --input-file -',
  ]
  static override flags = {
    namespace: Flags.string({char: 'n', summary: 'namespace to write policies for', required: true}),
    'cilium-namespace': Flags.string({summary: 'namespace that Cilium runs in', default: 'kube-system'}),
    since: Flags.string({summary: 'how far back flows count: a span such as 1h, or a time', default: '1h'}),
    kind: Flags.string({
      summary: 'kind of the policies; a NetworkPolicy says less, and what it cannot say stands in comments',
      options: ['CiliumNetworkPolicy', 'NetworkPolicy'],
      default: 'CiliumNetworkPolicy',
    }),
    'input-file': Flags.string({summary: 'flows as "hubble observe -o json" prints them; - for standard input'}),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(PolicySuggest)
    const [{readConnections}, {suggestPolicies, suggestionText}, {parseTime}] = await Promise.all([
      import('../../cli/policy/flows.ts'),
      import('../../cli/policy/suggest.ts'),
      import('../../cli/hubble/time.ts'),
    ])
    const cluster = {...this.cluster, namespace: flags['cilium-namespace']}
    const since = parseTime(flags.since, 'since')
    const connections = await readConnections({cluster, since, file: flags['input-file']}, this.signal)
    const about = `What namespace ${flags.namespace} was seen to do since ${flags.since} (${connections.length} connections).`
    const suggestion = suggestPolicies(connections, flags.namespace)
    if (flags.kind === 'CiliumNetworkPolicy') return this.print(suggestionText(suggestion, about))
    const {networkPolicyText} = await import('../../cli/policy/suggest-kubernetes.ts')
    return this.print(networkPolicyText(suggestion, about))
  }
}
