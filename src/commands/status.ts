import {Flags} from '@oclif/core'
import {ClusterCommand} from '../cli/base-command.ts'
import {durationFlag} from '../cli/duration-flag.ts'
import {outputFlag} from '../cli/output-format.ts'
import {LiveStatus} from '../cli/status/live.ts'
import {statusText} from '../cli/status/render.ts'
import type {StatusReport} from '../cli/status/report.ts'
import {clusterStatus} from '../cli/status/status.ts'

export default class Status extends ClusterCommand<StatusReport> {
  static override summary = 'show how the network of the cluster is'
  static override description =
    'Exit code: 0 well (or warnings only), 3 degraded or not well in time with --wait, 1 when it could not be found out.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --wait --wait-duration 2m',
    '<%= config.bin %> <%= command.id %> -o json',
  ]
  static override flags = {
    wait: Flags.boolean({summary: 'wait until all is well'}),
    'wait-duration': durationFlag({name: 'wait-duration', summary: 'give up waiting after this long', default: '5m'}),
    'ignore-warnings': Flags.boolean({summary: 'warnings do not keep --wait waiting'}),
    'worker-count': Flags.integer({summary: 'agents asked at the same time', default: 5, min: 1, max: 100}),
    interactive: Flags.boolean({summary: 'redraw in place on a terminal', default: true, allowNo: true}),
    verbose: Flags.boolean({summary: 'show what kernels lack, and all last words of a stopped agent'}),
    output: outputFlag(['summary', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Status)
    using live = new LiveStatus({enabled: flags.interactive && !this.forPrograms})
    const {report, gaveUp} = await clusterStatus(this.cluster, {
      wait: flags.wait,
      waitMs: flags['wait-duration'],
      ignoreWarnings: flags['ignore-warnings'],
      workerCount: flags['worker-count'],
      verbose: flags.verbose,
      signal: this.signal,
      onProgress: (partial) => live.show(partial),
    })
    live.clear()
    await this.show(report, statusText)
    if (gaveUp !== undefined) this.note(`not well ${gaveUp}`)
    if (gaveUp !== undefined || report.verdict === 'degraded') this.exitWith('unhealthy')
    else if (report.verdict === 'unknown') this.exitWith('failed')
  }
}
