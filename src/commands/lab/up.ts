import {Flags} from '@oclif/core'
import {BaseCommand} from '../../cli/base-command.ts'
import {labUpText} from '../../cli/lab/render.ts'
import {bringUp, type LabResult} from '../../cli/lab/up.ts'
import {outputFlag} from '../../cli/output-format.ts'

export default class LabUp extends BaseCommand<LabResult> {
  static override summary = 'make a real Kubernetes cluster on this machine'
  static override description =
    'Nodes are network namespaces with containerd and kubelet of their own. No network is installed on them: the nodes ' +
    'get ready when you install one. Repeat the command to go on after an interruption or a restart of the machine.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --name east --nodes 2 --pod-cidr 10.1.0.0/16,fd00:1::/56',
  ]
  static override flags = {
    name: Flags.string({summary: 'name of the lab', default: 'lab'}),
    nodes: Flags.integer({summary: 'number of nodes, 3 when not given'}),
    'node-names': Flags.string({summary: 'names of the nodes, with commas; node1, node2, ... when not given'}),
    kubernetes: Flags.string({summary: 'version of Kubernetes, v1.34.4 when not given'}),
    'bin-dir': Flags.directory({
      summary: 'folder with ready Kubernetes binaries, instead of building them',
      exists: true,
    }),
    'kube-proxy': Flags.option({
      summary: 'run kube-proxy in this mode',
      options: ['none', 'iptables', 'nftables'] as const,
    })(),
    cni: Flags.option({
      summary: "ptp: Debian's plugin with plain routes, as a baseline",
      options: ['none', 'ptp'] as const,
    })(),
    'ip-families': Flags.string({summary: 'ipv4,ipv6 or one of them, the primary one first'}),
    'pod-cidr': Flags.string({summary: 'addresses of pods, one CIDR per family, with a comma'}),
    'service-cidr': Flags.string({summary: 'addresses of services, one CIDR per family, with a comma'}),
    mtu: Flags.integer({summary: 'MTU of every link in bytes, 1500 when not given'}),
    kubeconfig: Flags.string({summary: 'write the access to the cluster into this file too'}),
    output: outputFlag(['text', 'json']),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(LabUp)
    const result = await bringUp(flags, {signal: this.signal, quiet: this.forPrograms})
    await this.show(result, labUpText)
  }
}
