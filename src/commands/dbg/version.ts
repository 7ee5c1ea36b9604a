import {AgentCommand} from '../../cli/dbg/agent-command.ts'
import {type VersionReport, versions, versionText} from '../../cli/dbg/version.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class Version extends AgentCommand<VersionReport> {
  static override summary = 'show the versions of this program and of the agent'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> -o jsonpath={$.Daemon.Version}',
  ]
  static override flags = {output: outputFlag(['text', 'json', 'yaml', 'jsonpath'])}

  async run(): Promise<void> {
    await this.parse(Version)
    await this.show(await versions(this.agent), versionText)
  }
}
