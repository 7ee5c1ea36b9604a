import {Flags} from '@oclif/core'
import {ClusterCommand} from '../cli/base-command.ts'
import {durationFlag} from '../cli/duration-flag.ts'
import {sourcesOf, valueFlags} from '../cli/install/value-flags.ts'
import {outputFlag} from '../cli/output-format.ts'
import type {PreflightReport} from '../cli/preflight/preflight.ts'
import {preflightText} from '../cli/preflight/render.ts'

export default class Preflight extends ClusterCommand<PreflightReport> {
  static override summary = 'find out what would be in the way of an installation'
  static override description =
    'Looks at the cluster (version, other networks, address ranges) and, with a pod on each node that is taken away ' +
    'again, at the nodes (kernel, file systems, CNI files, ports, way to the API server). Changes nothing else. ' +
    'Exit code: 3 when there are errors.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> -f values.yaml',
    '<%= config.bin %> <%= command.id %> --no-nodes -o json',
  ]
  static override flags = {
    ...valueFlags,
    'chart-directory': Flags.directory({
      summary: 'folder of a chart to look with instead of the own one',
      exists: true,
    }),
    nodes: Flags.boolean({summary: 'start a pod on each node', default: true, allowNo: true}),
    'wait-duration': durationFlag({name: 'wait-duration', summary: 'give nodes up after this long', default: '2m'}),
    output: outputFlag(['summary', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Preflight)
    const {runPreflight} = await import('../cli/preflight/preflight.ts')
    const report = await runPreflight({
      cluster: this.cluster,
      sources: sourcesOf(flags),
      ...(flags['chart-directory'] === undefined ? {} : {chartFolder: flags['chart-directory']}),
      nodes: flags.nodes,
      waitMs: flags['wait-duration'],
      signal: this.signal,
    })
    await this.show(report, preflightText)
    if (report.errors > 0) this.exitWith('unhealthy')
  }
}
