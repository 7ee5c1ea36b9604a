import {Flags} from '@oclif/core'
import {AgentCommand} from '../../../cli/dbg/agent-command.ts'
import {listMetrics, type Metrics, metricTable} from '../../../cli/dbg/metric.ts'
import {outputFlag} from '../../../cli/output-format.ts'

export default class MetricsList extends AgentCommand<Metrics> {
  static override summary = 'list the metrics of this agent'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> -p cilium_drop -o json',
  ]
  static override flags = {
    'match-pattern': Flags.string({char: 'p', summary: 'only metrics whose name matches this regular expression'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(MetricsList)
    await this.show(await listMetrics(this.agent, flags['match-pattern']), metricTable)
  }
}
