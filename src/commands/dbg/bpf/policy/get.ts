import {Args, Flags} from '@oclif/core'
import {BpfCommand} from '../../../../cli/dbg/bpf/bpf-command.ts'
import {type EndpointPolicyMap, policyMapsText, readPolicyMaps} from '../../../../cli/dbg/bpf/policy.ts'
import {outputFlag} from '../../../../cli/output-format.ts'

export default class BpfPolicyGet extends BpfCommand<readonly EndpointPolicyMap[]> {
  static override summary = 'show what the rule sets of an endpoint allow and deny'
  static override description = 'A deny beats every allow. What no entry is about is denied where a policy isolates.'
  static override examples = [
    '<%= config.bin %> <%= command.id %> 7',
    '<%= config.bin %> <%= command.id %> --all --numeric',
    '<%= config.bin %> <%= command.id %> 7 -o json',
  ]
  static override args = {id: Args.integer({description: 'number of the endpoint'})}
  static override flags = {
    all: Flags.boolean({summary: 'all endpoints'}),
    numeric: Flags.boolean({char: 'n', summary: 'identities by number, without asking for labels'}),
    output: outputFlag(['text', 'json', 'yaml', 'jsonpath']),
  }

  async run(): Promise<void> {
    const {args, flags} = await this.parse(BpfPolicyGet)
    const all = flags.all || args.id === undefined
    const maps = await readPolicyMaps(this.place, all ? undefined : args.id, this.signal)
    await this.show(maps, (value) => policyMapsText(value, {numeric: flags.numeric, all}))
  }
}
