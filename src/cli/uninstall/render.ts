/** Plan and result of an uninstallation as text. */
import {nameOf} from '../install/cluster-access.ts'
import type {Style} from '../render/style.ts'
import {clean} from '../render/text.ts'
import type {UninstallPlan} from './plan.ts'
import type {UninstallResult} from './run.ts'
import type {StuckPods} from './stuck-pods.ts'

/** Longer lists than this tell nothing more. */
const longestList = 10

export function uninstallPlanText(plan: UninstallPlan, exportFile: string, style: Style): string {
  const version = plan.version === undefined ? '' : ` ${plan.version}`
  const counts = new Map<string, number>()
  for (const {kind} of plan.books) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return (
    `Will remove Cilium${clean(version)} (release ${clean(plan.release)} in ${clean(plan.namespace)}):\n` +
    list([
      ...plan.objects.map(nameOf),
      ...plan.testNamespaces.map((name) => `Namespace ${name}`),
      ...plan.definitions.map(nameOf),
      ...[...counts].map(([kind, count]) => `${count} ${kind} objects`),
    ]) +
    (plan.cleanBecause === undefined
      ? 'and clean every node: devices, programs, pins, routes, rules, CNI files\n'
      : '') +
    (plan.own.length === 0
      ? ''
      : `Objects of yours go to ${clean(exportFile)}${plan.keptDefinitions.length > 0 ? ' and stay in the cluster' : ''}:\n` +
        list(plan.own.map(nameOf))) +
    plan.stuckPods
      .slice(0, 1)
      .map(() => `${style.warn('!')} ${podCount(plan.stuckPods)} pods lose their network\n`)
      .join('')
  )
}

export function uninstallResultText(result: UninstallResult, style: Style): string {
  const done = result.dryRun
    ? 'nothing was changed\n'
    : `Cilium is removed (release ${clean(result.release)} in ${clean(result.namespace)}): ${result.removed} objects\n`
  const written =
    result.exportFile === undefined || result.dryRun ? '' : `Your objects are in ${clean(result.exportFile)}\n`
  const kept =
    result.keptDefinitions.length === 0
      ? ''
      : `${result.keptDefinitions.length} definitions stay because of them; --delete-crds removes both\n`
  return done + written + kept + stuckText(result.stuckPods, style)
}

function stuckText(stuck: readonly StuckPods[], style: Style): string {
  if (stuck.length === 0) return ''
  const lines = stuck.map(({command, pods}) => `  ${clean(command)}   ${style.faint(`# ${clean(summary(pods))}`)}\n`)
  return `${style.warn('!')} ${podCount(stuck)} pods are without a network now. Once another one is installed, restart them:\n${lines.join('')}`
}

function podCount(stuck: readonly StuckPods[]): number {
  return stuck.reduce((count, {pods}) => count + pods.length, 0)
}

function summary(pods: readonly string[]): string {
  return pods.length <= 3 ? pods.join(', ') : `${pods.slice(0, 3).join(', ')} and ${pods.length - 3} more`
}

function list(lines: readonly string[]): string {
  const shown =
    lines.length > longestList * 3
      ? [...lines.slice(0, longestList * 3), `and ${lines.length - longestList * 3} more`]
      : lines
  return shown.map((line) => `  ${clean(line)}\n`).join('')
}
