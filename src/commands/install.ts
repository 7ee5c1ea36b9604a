import {Flags} from '@oclif/core'
import {ClusterCommand} from '../cli/base-command.ts'
import {durationFlag} from '../cli/duration-flag.ts'
import {planText, resultText} from '../cli/install/render.ts'
import type {InstallResult} from '../cli/install/run.ts'
import {sourcesOf, valueFlags} from '../cli/install/value-flags.ts'
import {outputFlag} from '../cli/output-format.ts'
import {styleFor} from '../cli/render/style.ts'

export default class Install extends ClusterCommand<InstallResult> {
  static override summary = 'install Cilium in the cluster'
  static override description =
    'Finds out what kind of cluster it is, derives values from that, shows the plan, and applies the chart. ' +
    'Repeat the command to go on after an interruption. Exit code: 3 when --wait ended before all was ready.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --wait',
    '<%= config.bin %> <%= command.id %> --set ipam.mode=kubernetes --set ipv6.enabled=true',
    '<%= config.bin %> <%= command.id %> -f values.yaml --dry-run',
  ]
  static override flags = {
    ...valueFlags,
    version: Flags.string({summary: 'version to install; this CLI carries one'}),
    'list-versions': Flags.boolean({summary: 'print the versions that can be installed'}),
    'datapath-mode': Flags.string({summary: 'how nodes reach each other: tunnel or native'}),
    'nodes-without-cilium': Flags.boolean({summary: 'leave nodes labelled cilium.io/no-schedule=true alone'}),
    'chart-directory': Flags.directory({summary: 'folder of a chart to install instead of the own one', exists: true}),
    'take-ownership': Flags.boolean({summary: 'make objects that are there part of this release'}),
    'history-max': Flags.integer({summary: 'revisions of the release that are kept, 0 for all', default: 10, min: 0}),
    wait: Flags.boolean({summary: 'wait until all is ready'}),
    'wait-duration': durationFlag({name: 'wait-duration', summary: 'give up waiting after this long', default: '5m'}),
    'dry-run': Flags.boolean({summary: 'print the manifests and change nothing', exclusive: ['wait']}),
    'dry-run-helm-values': Flags.boolean({summary: 'print the values that differ from the defaults, change nothing'}),
    output: outputFlag(['summary', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Install)
    const {carriedVersions, dryRun, dryRunValues, install} = await import('../cli/install/run.ts')
    const request = {
      cluster: this.cluster,
      sources: sourcesOf(flags),
      nodesWithoutCilium: flags['nodes-without-cilium'],
      takeOwnership: flags['take-ownership'],
      ...(flags['chart-directory'] === undefined ? {} : {chartFolder: flags['chart-directory']}),
      ...(flags.version === undefined ? {} : {version: flags.version}),
      ...(flags['datapath-mode'] === undefined ? {} : {datapathMode: flags['datapath-mode']}),
    }
    if (flags['list-versions']) return this.print((await carriedVersions(flags['chart-directory'])).join('\n'))
    if (flags['dry-run-helm-values']) return this.print(await dryRunValues(request))
    if (flags['dry-run']) return this.print(await dryRun(request))
    const result = await install({
      ...request,
      historyMax: flags['history-max'],
      wait: flags.wait,
      waitMs: flags['wait-duration'],
      progress: {signal: this.signal, quiet: this.forPrograms},
      onPlan: (plan) => this.note(planText(plan, styleFor(process.stderr))),
    })
    await this.show(result, resultText)
    if (result.gaveUp !== undefined) this.exitWith('unhealthy')
  }
}
