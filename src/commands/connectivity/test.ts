import {ClusterCommand} from '../../cli/base-command.ts'
import {connectivityFlags, readOptions} from '../../cli/connectivity/flags.ts'
import {testList} from '../../cli/connectivity/list.ts'
import type {SuiteReport} from '../../cli/connectivity/report.ts'
import {reportText} from '../../cli/connectivity/report-text.ts'
import {runConnectivity} from '../../cli/connectivity/session.ts'

export default class ConnectivityTest extends ClusterCommand<SuiteReport> {
  static override summary = 'prove that pods, nodes and the outside reach each other'
  static override description =
    `Deploys clients and servers into namespace cilium-test-1 and talks between them. They stay there for the next run; --cleanup removes them.
Exit code: 0 all passed, 1 something failed.`
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    "<%= config.bin %> <%= command.id %> --test '/pod-to-pod'",
    "<%= config.bin %> <%= command.id %> --test '!health,!/pod-to-world' --junit-file report.xml",
    '<%= config.bin %> <%= command.id %> --list',
    '<%= config.bin %> <%= command.id %> --cleanup',
  ]
  static override flags = connectivityFlags

  async run(): Promise<void> {
    const {flags} = await this.parse(ConnectivityTest)
    const options = readOptions(flags)
    if (flags.list) return this.print(testList(options))
    const report = await runConnectivity({
      where: this.cluster,
      options,
      cleanUpOnly: flags.cleanup,
      argv: this.argv,
      forPrograms: this.forPrograms,
      verbose: flags.verbose,
      debug: flags.debug,
      timestamps: flags.timestamp,
      signal: this.signal,
    })
    if (report === undefined) return
    await this.show(report, reportText)
    if (report.outcome === 'failed' && !options.exitZeroOnFailure) this.exitWith('failed')
  }
}
