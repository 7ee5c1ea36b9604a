/** Results of `cilium lab` as text. */
import type {LoadedImages} from '../../lab/load.ts'
import type {LabStatus} from '../../lab/status.ts'
import type {LabResult} from '../../lab/up.ts'
import {grid} from '../render/grid.ts'
import type {Style} from '../render/style.ts'

export function labUpText(lab: LabResult): string {
  const nodes = lab.nodes.map((node) => `${node.name} (${node.addresses.join(', ')})`).join(', ')
  const name = lab.name === 'lab' ? '' : ` --name ${lab.name}`
  return `lab "${lab.name}" runs Kubernetes ${lab.kubernetes}: ${nodes}

  export KUBECONFIG=${lab.kubeconfig}
  ${lab.kubectl} get nodes

${lab.cni === 'none' ? 'The nodes get ready once a network is installed: cilium install\n' : ''}End it: cilium lab down${name}
`
}

export function labStatusText(labs: readonly LabStatus[], style: Style): string {
  if (labs.length === 0) return 'there is no lab on this machine; "cilium lab up" makes one\n'
  return labs.map((lab) => oneLab(lab, style)).join('\n')
}

export function loadedText(loaded: readonly LoadedImages[]): string {
  return loaded.map(({node, images}) => `${node}: ${images.join(', ')}\n`).join('')
}

function oneLab(lab: LabStatus, style: Style): string {
  const nodes = lab.nodes.map((node) => [
    node.name,
    node.state === 'ready' ? style.good(node.state) : style.warn(node.state),
    node.addresses.join(','),
    node.podCidrs.join(','),
    node.message,
  ])
  const stopped = lab.processes.filter((one) => !one.running).length
  return (
    `Lab ${lab.name}: Kubernetes ${lab.kubernetes}, API server ${lab.apiServer}, ` +
    `${lab.processes.length - stopped} of ${lab.processes.length} processes run\n` +
    `KUBECONFIG=${lab.kubeconfig}\n\n` +
    grid(['NODE', 'STATE', 'ADDRESSES', 'POD CIDRS', 'MESSAGE'], nodes, process.stdout.columns) +
    lab.problems.map((problem) => `${style.bad('!')} ${problem}\n`).join('')
  )
}
