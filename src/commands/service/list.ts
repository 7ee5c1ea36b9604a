import {Flags} from '@oclif/core'
import {ClusterCommand} from '../../cli/base-command.ts'
import {outputFlag} from '../../cli/output-format.ts'
import {listClusterServices, type ServiceList} from '../../cli/service/list.ts'
import {serviceListText} from '../../cli/service/render.ts'

export default class ServiceListCommand extends ClusterCommand<ServiceList> {
  static override summary = 'list the services of the cluster, and which nodes serve them as they should'
  static override description = 'Exit code: 0 all do, 3 some node does not, 1 when it could not be found out.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --differences',
    '<%= config.bin %> <%= command.id %> --node worker1 -o json',
  ]
  static override flags = {
    node: Flags.string({summary: 'ask only the agent of this node'}),
    'service-namespace': Flags.string({summary: 'only services of this namespace'}),
    differences: Flags.boolean({summary: 'only frontends that some node does not serve as it should'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(ServiceListCommand)
    const list = await listClusterServices(this.cluster, {
      node: flags.node,
      serviceNamespace: flags['service-namespace'],
      differences: flags.differences,
      signal: this.signal,
    })
    await this.show(list, serviceListText)
    if (list.services.some(({differences}) => differences.length > 0)) this.exitWith('unhealthy')
    else if (list.silent.length > 0) this.exitWith('failed')
  }
}
