import {Flags} from '@oclif/core'
import {ClusterCommand} from '../cli/base-command.ts'
import {durationFlag} from '../cli/duration-flag.ts'
import type {UpgradeDifference, UpgradeResult, UpgradeWay} from '../cli/install/upgrade-run.ts'
import {differenceText, upgradePlanText, upgradeText} from '../cli/install/upgrade-text.ts'
import {sourcesOf, valueFlags} from '../cli/install/value-flags.ts'
import {outputFlag} from '../cli/output-format.ts'
import {styleFor} from '../cli/render/style.ts'

const keeping = ['reset-then-reuse-values', 'reuse-values', 'reset-values']

export default class Upgrade extends ClusterCommand<UpgradeResult | UpgradeDifference> {
  static override summary = 'change the installed Cilium: its version, its values, or back'
  static override description =
    'Values given before are kept unless --reset-values says otherwise. Agents are replaced node by node; packets of ' +
    'running connections go on. Repeat the command to go on after an interruption. Exit code: 3 when --wait ended ' +
    'before all was ready.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --wait',
    '<%= config.bin %> <%= command.id %> --set hubble.relay.enabled=true --dry-run',
    '<%= config.bin %> <%= command.id %> -f values.yaml --reset-values --wait --rollback-on-failure',
    '<%= config.bin %> <%= command.id %> --rollback',
  ]
  static override flags = {
    ...valueFlags,
    'reset-then-reuse-values': Flags.boolean({
      summary: "keep the values given before, on the new chart's defaults; so without a flag",
      exclusive: keeping.slice(1),
    }),
    'reuse-values': Flags.boolean({
      summary: 'keep the values given before and the defaults of the chart before',
      exclusive: ['reset-then-reuse-values', 'reset-values'],
    }),
    'reset-values': Flags.boolean({
      summary: 'forget the values given before; what follows from the cluster is found anew',
      exclusive: keeping.slice(0, 2),
    }),
    version: Flags.string({summary: 'version to upgrade to; this CLI carries one'}),
    'datapath-mode': Flags.string({summary: 'how nodes reach each other: tunnel or native'}),
    'nodes-without-cilium': Flags.boolean({
      summary: 'with --reset-values: leave nodes labelled cilium.io/no-schedule=true alone',
      dependsOn: ['reset-values'],
    }),
    'chart-directory': Flags.directory({summary: 'folder of a chart to take instead of the own one', exists: true}),
    'take-ownership': Flags.boolean({summary: 'make objects that are there part of this release'}),
    'history-max': Flags.integer({summary: 'revisions of the release that are kept, 0 for all', default: 10, min: 0}),
    restart: Flags.boolean({char: 'r', summary: 'restart agents and operators even where their objects stay'}),
    rollback: Flags.boolean({
      summary: 'go back to the revision before',
      exclusive: [...keeping, 'values', 'set', 'set-string', 'set-file', 'version', 'chart-directory', 'datapath-mode'],
    }),
    'to-revision': Flags.integer({
      summary: 'with --rollback: go back to this revision',
      dependsOn: ['rollback'],
      min: 1,
    }),
    wait: Flags.boolean({summary: 'wait until all is ready'}),
    'wait-duration': durationFlag({name: 'wait-duration', summary: 'give up waiting after this long', default: '5m'}),
    'rollback-on-failure': Flags.boolean({
      summary: 'with --wait: go back by itself when not all became ready',
      dependsOn: ['wait'],
      exclusive: ['rollback'],
      aliases: ['atomic'],
    }),
    'dry-run': Flags.boolean({
      summary: 'show what would change, field by field, and change nothing',
      exclusive: ['wait'],
    }),
    'dry-run-manifests': Flags.boolean({summary: 'print the manifests and change nothing', exclusive: ['wait']}),
    'dry-run-helm-values': Flags.boolean({summary: 'print the values that would be stored, change nothing'}),
    output: outputFlag(['summary', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Upgrade)
    const {upgrade, upgradeDifference, upgradeManifest, upgradeValues} = await import('../cli/install/upgrade-run.ts')
    const way: UpgradeWay = flags.rollback
      ? {way: 'back', cluster: this.cluster, revision: flags['to-revision']}
      : {
          way: 'forward',
          request: {
            cluster: this.cluster,
            sources: sourcesOf(flags),
            kept: flags['reset-values'] ? 'reset' : flags['reuse-values'] ? 'reuse' : 'reset-then-reuse',
            nodesWithoutCilium: flags['nodes-without-cilium'],
            takeOwnership: flags['take-ownership'],
            ...(flags['chart-directory'] === undefined ? {} : {chartFolder: flags['chart-directory']}),
            ...(flags.version === undefined ? {} : {version: flags.version}),
            ...(flags['datapath-mode'] === undefined ? {} : {datapathMode: flags['datapath-mode']}),
          },
        }
    if (flags['dry-run-helm-values']) return this.print(await upgradeValues(way))
    if (flags['dry-run-manifests']) return this.print(await upgradeManifest(way))
    if (flags['dry-run'])
      return this.show(await upgradeDifference(way), (value, style) =>
        differenceText(value as UpgradeDifference, style),
      )
    const result = await upgrade(way, {
      historyMax: flags['history-max'],
      restart: flags.restart,
      wait: flags.wait,
      waitMs: flags['wait-duration'],
      rollBackOnFailure: flags['rollback-on-failure'],
      progress: {signal: this.signal, quiet: this.forPrograms},
      onPlan: (plan) => this.note(upgradePlanText(plan, styleFor(process.stderr))),
    })
    await this.show(result, (value, style) => upgradeText(value as UpgradeResult, style))
    if (result.gaveUp !== undefined) this.exitWith('unhealthy')
  }
}
