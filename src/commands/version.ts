import {Flags} from '@oclif/core'
import {ClusterCommand} from '../cli/base-command.ts'
import {readVersions, type Versions, versionsText} from '../cli/install/version.ts'
import {outputFlag} from '../cli/output-format.ts'

export default class Version extends ClusterCommand<Versions> {
  static override summary = 'show the versions of this CLI, of what it installs, and of what runs'
  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --client']
  static override flags = {
    client: Flags.boolean({summary: 'do not ask the cluster'}),
    output: outputFlag(['summary', 'json', 'yaml']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Version)
    const versions = await readVersions(flags.client ? undefined : this.cluster)
    await this.show(versions, versionsText)
    if (versions.problem !== undefined) this.exitWith('failed')
  }
}
