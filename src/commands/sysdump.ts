import {Flags} from '@oclif/core'
import {ClusterCommand} from '../cli/base-command.ts'
import {durationFlag} from '../cli/duration-flag.ts'
import {outputFlag} from '../cli/output-format.ts'
import type {SysdumpResult} from '../cli/sysdump/options.ts'
import {sysdumpText} from '../cli/sysdump/render.ts'

export default class Sysdump extends ClusterCommand<SysdumpResult> {
  static override summary = 'collect what helps to find a fault, in one archive'
  static override description =
    'Works with half the cluster down: what cannot be collected is listed at the end and in the archive. Values of ' +
    'Secrets, environment variables and headers, tokens, keys and passwords are taken out before anything is written.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --quick',
    '<%= config.bin %> <%= command.id %> --node-list node1,node2 --logs-since-time 1h',
  ]
  static override flags = {
    'output-filename': Flags.string({
      summary: 'archive to write; <ts> in it becomes the time, .zip is added',
      default: 'cilium-sysdump-<ts>',
    }),
    quick: Flags.boolean({summary: 'only what the cluster says: neither logs nor what is asked of each agent'}),
    'node-list': Flags.string({
      summary: 'only agents of these nodes, by name or address',
      multiple: true,
      multipleNonGreedy: true,
      delimiter: ',',
    }),
    'worker-count': Flags.integer({summary: 'how many things are collected at once', default: 20, min: 1, max: 200}),
    'task-timeout': durationFlag({name: 'task-timeout', summary: 'give one thing up after this long', default: '2m'}),
    'logs-since-time': durationFlag({name: 'logs-since-time', summary: 'how far logs go back', default: '8760h'}),
    'logs-limit-bytes': Flags.integer({summary: 'the newest bytes of each log', default: 1 << 30, min: 1}),
    'hubble-flows-count': Flags.integer({summary: 'newest flows of each node, 0 for none', default: 10_000, min: 0}),
    'hubble-flows-timeout': durationFlag({
      name: 'hubble-flows-timeout',
      summary: 'give the flows of a node up after this long',
      default: '5s',
    }),
    'cilium-label-selector': Flags.string({summary: 'labels of agents', default: 'k8s-app=cilium'}),
    'cilium-operator-label-selector': Flags.string({
      summary: 'labels of operators',
      default: 'io.cilium/app=operator',
    }),
    'hubble-relay-labels': Flags.string({summary: 'labels of relays', default: 'k8s-app=hubble-relay'}),
    'hubble-ui-labels': Flags.string({summary: 'labels of user interfaces', default: 'k8s-app=hubble-ui'}),
    'extra-label-selectors': Flags.string({
      summary: 'labels of further pods whose logs are wanted, repeatable',
      multiple: true,
      multipleNonGreedy: true,
    }),
    output: outputFlag(['summary', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Sysdump)
    const {collectSysdump} = await import('../cli/sysdump/sysdump.ts')
    const result = await collectSysdump({
      cluster: this.cluster,
      file: flags['output-filename'],
      workerCount: flags['worker-count'],
      quick: flags.quick,
      nodes: flags['node-list'] ?? [],
      logsSinceSeconds: Math.ceil(flags['logs-since-time'] / 1000),
      logsLimitBytes: flags['logs-limit-bytes'],
      flowCount: flags['hubble-flows-count'],
      flowTimeoutMs: flags['hubble-flows-timeout'],
      agentSelector: flags['cilium-label-selector'],
      operatorSelector: flags['cilium-operator-label-selector'],
      relaySelector: flags['hubble-relay-labels'],
      uiSelector: flags['hubble-ui-labels'],
      extraSelectors: flags['extra-label-selectors'] ?? [],
      taskMs: flags['task-timeout'],
      progress: {signal: this.signal, quiet: this.forPrograms},
    })
    await this.show(result, sysdumpText)
  }
}
