/** Plan and result of an installation as text. */
import {toJson} from '../chart/template/functions-text.ts'
import type {Style} from '../render/style.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import type {ClusterFacts} from './facts.ts'
import type {InstallPlan} from './plan.ts'
import type {InstallResult} from './run.ts'

const stateText = {new: '', unfinished: ', goes on from the last attempt', installed: ', is installed already'} as const

/** What was found, what follows from it, and what will be done. */
export function planText(plan: InstallPlan, style: Style): string {
  const {facts} = plan
  const found = [
    ['Cluster', `${kindText(facts)}, context ${clean(facts.context)}, Kubernetes ${clean(facts.kubernetesVersion)}`],
    ['Nodes', clean(nodesText(facts))],
    ['kube-proxy', clean(proxyText(facts))],
    ['Release', `${plan.release} ${plan.version} in ${plan.namespace}${stateText[plan.state]}`],
  ]
  const values = plan.derived.map(({path, value, reason}) => [
    `  ${path}=${clean(typeof value === 'string' ? value : toJson(value))}`,
    style.faint(clean(reason)),
  ])
  const objects = (change: string, verb: string): string => {
    const names = plan.objects.filter((one) => one.change === change).map(({name}) => `  ${clean(name)}`)
    return names.length === 0 ? '' : `${verb}:\n${names.join('\n')}\n`
  }
  const kept = plan.objects.filter(({change}) => change === 'keep').length
  return (
    table(found) +
    (values.length === 0 ? '' : `Values that follow from the cluster:\n${table(values)}`) +
    objects('create', 'Will create') +
    objects('change', 'Will change') +
    (kept === 0 ? '' : `Will leave ${kept} objects as they are\n`) +
    [...plan.warnings, ...plan.notes].map((line) => `${style.warn('!')} ${clean(line)}\n`).join('')
  )
}

export function resultText(result: InstallResult, style: Style): string {
  const {release, version, namespace, created, changed, kept} = result
  const did = [
    [created, 'created'],
    [changed, 'changed'],
    [kept, 'left as they were'],
  ] as const
  const counts = did.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  const head = `Cilium ${version} is installed (release ${release} in ${namespace}): ${counts.join(', ')}\n`
  if (result.gaveUp !== undefined)
    return `${head}${style.warn('!')} not ready ${clean(result.gaveUp)}; cilium status shows why\n`
  return result.status === undefined ? `${head}See it become ready: cilium status --wait\n` : head
}

function kindText({kind}: ClusterFacts): string {
  return kind === 'unknown' ? 'of no kind that is known' : kind
}

function nodesText({nodes}: ClusterFacts): string {
  const shown = nodes.slice(0, 5).map(({name}) => name)
  const more = nodes.length - shown.length
  return `${nodes.length}: ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function proxyText({kubeProxy}: ClusterFacts): string {
  switch (kubeProxy.state) {
    case 'found':
      return kubeProxy.where
    case 'embedded':
      return `inside of ${kubeProxy.by}`
    default:
      return 'none found'
  }
}
