import {Flags} from '@oclif/core'
import {ClusterCommand} from '../cli/base-command.ts'
import {durationFlag} from '../cli/duration-flag.ts'
import {outputFlag} from '../cli/output-format.ts'
import {styleFor} from '../cli/render/style.ts'
import {uninstallPlanText, uninstallResultText} from '../cli/uninstall/render.ts'
import type {UninstallResult} from '../cli/uninstall/run.ts'

export default class Uninstall extends ClusterCommand<UninstallResult> {
  static override summary = 'remove Cilium from the cluster and its nodes'
  static override description =
    'Custom resources that you wrote go to a file first; while some are left, the definitions stay too, unless ' +
    '--delete-crds is given. Repeat the command to go on after an interruption.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> --dry-run',
    '<%= config.bin %> <%= command.id %> --wait --delete-crds',
  ]
  static override flags = {
    'delete-crds': Flags.boolean({summary: 'remove the definitions and all custom resources, also those you wrote'}),
    'export-file': Flags.string({summary: 'file for the custom resources you wrote', helpValue: 'FILE'}),
    'test-namespace': Flags.string({summary: 'namespaces of connectivity tests begin so', default: 'cilium-test'}),
    'skip-node-cleanup': Flags.boolean({summary: 'leave nodes as they are: they are gone, or thrown away next'}),
    wait: Flags.boolean({summary: 'wait until everything is gone'}),
    timeout: durationFlag({name: 'timeout', summary: 'give up waiting after this long', default: '5m'}),
    'dry-run': Flags.boolean({summary: 'show what would be removed and change nothing'}),
    output: outputFlag(['summary', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Uninstall)
    const {uninstall} = await import('../cli/uninstall/run.ts')
    const result = await uninstall({
      cluster: this.cluster,
      testNamespace: flags['test-namespace'],
      deleteDefinitions: flags['delete-crds'],
      skipNodeCleanup: flags['skip-node-cleanup'],
      ...(flags['export-file'] === undefined ? {} : {exportFile: flags['export-file']}),
      wait: flags.wait,
      timeoutMs: flags.timeout,
      dryRun: flags['dry-run'],
      progress: {signal: this.signal, quiet: this.forPrograms},
      onPlan: (plan, file) => this.note(uninstallPlanText(plan, file, styleFor(process.stderr))),
    })
    await this.show(result, uninstallResultText)
  }
}
