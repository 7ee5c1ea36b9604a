/** The text of `cilium status`. */

import {duration} from '../render/duration.ts'
import type {Style} from '../render/style.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type Component, components} from './components.ts'
import type {ComponentFindings, Finding, PodState, StatusReport} from './report.ts'

/** A report as text. Parts that are still asked for show as dots. */
export function statusText(report: StatusReport, style: Style, now: number = Date.now()): string {
  return `${headlines(report, style)}\n${details(report, style)}${verdictLine(report, style, now)}`
}

function headlines(report: StatusReport, style: Style): string {
  // one column for each of yellow, cyan, red, blue, green cells of the comb
  const art = [
    style.warn('    /¯¯\\'),
    `${style.note(' /¯¯')}${style.warn('\\__/')}${style.good('¯¯\\')}`,
    `${style.note(' \\__')}${style.bad('/¯¯\\')}${style.good('__/')}`,
    `${style.good(' /¯¯')}${style.bad('\\__/')}${style.note('¯¯\\')}`,
    `${style.good(' \\__')}${style.warn('/¯¯\\')}${style.note('__/')}`,
    style.warn('    \\__/'),
  ]
  const widths = [8, 11, 11, 11, 11, 8]
  const lines = components.filter(({headline}) => headline !== undefined)
  return art
    .map((drawing, index) => {
      const component = lines[index]
      if (component === undefined) return `${drawing}\n`
      const label = `${component.headline}:`.padEnd(20)
      return `${drawing}${' '.repeat(15 - widths[index]!)}${label}${summary(component, report, style)}\n`
    })
    .join('')
}

function summary(component: Component, report: StatusReport, style: Style): string {
  const findings: ComponentFindings[] = Object.values(report.errors[component.name] ?? {})
  const errors = findings.reduce((sum, {Errors}) => sum + Errors.length, 0)
  const warnings = findings.reduce((sum, {Warnings}) => sum + Warnings.length, 0)
  const parts: string[] = []
  if (errors > 0) parts.push(style.bad(`${errors} errors`))
  if (warnings > 0) parts.push(style.warn(`${warnings} warnings`))
  if (findings.some(({Disabled}) => Disabled)) parts.push(style.note(component.absent))
  if (report.pending.includes(component.name)) parts.push(style.faint('…'))
  else if (parts.length === 0 && report.pod_state[component.name] === undefined) parts.push(style.warn('unknown'))
  return parts.length === 0 ? style.good('OK') : parts.join(', ')
}

function details(report: StatusReport, style: Style): string {
  const rows: string[][] = []
  for (const [name, state] of Object.entries(report.pod_state)) rows.push([state.Type, name, countsText(state, style)])
  group(
    rows,
    'Containers:',
    Object.entries(report.phase_count).map(([name, phases]) => [name, phasesText(phases, style)]),
  )
  const {all, by_cilium: managed} = report.pods_count
  rows.push(['Cluster Pods:', report.pending.includes('cluster pods') ? '…' : `${managed}/${all} managed by Cilium`])
  rows.push(['Helm chart version:', report.pending.includes('helm release') ? '…' : clean(report.helm_chart_version)])
  group(
    rows,
    'Image versions',
    Object.entries(report.image_count).flatMap(([name, images]) =>
      Object.entries(images).map(([image, count]) => [name, `${clean(image)}: ${count}`]),
    ),
  )
  group(
    rows,
    'Programs:',
    Object.entries(report.generations).map(([node, {generation, version, since}]) => [
      clean(node),
      `generation ${generation}${version === undefined ? '' : ` (${clean(version)})`}${since === undefined ? '' : ` since ${clean(since)}`}`,
    ]),
  )
  group(
    rows,
    'Kernels:',
    Object.entries(report.kernels).map(([node, {release, missing}]) => [
      clean(node),
      `${clean(release)}${missing.length === 0 ? '' : `, without ${clean(missing.join(', '))}`}`,
    ]),
  )
  group(rows, 'Errors:', findingRows(report, 'error', style.bad))
  group(rows, 'Warnings:', findingRows(report, 'warning', style.warn))
  group(
    rows,
    'Not answered:',
    report.collection_errors.map((text) => [style.bad(clean(text))]),
  )
  group(
    rows,
    'Configuration:',
    report.config_errors.map((text) => [style.warn(clean(text))]),
  )
  return table(rows, {gap: 4, minWidth: 0})
}

/** Adds rows under a title that shows once. */
function group(rows: string[][], title: string, entries: readonly (readonly string[])[]): void {
  for (const [index, entry] of entries.entries()) rows.push([index === 0 ? title : '', ...entry])
}

function findingRows(report: StatusReport, severity: Finding['severity'], paint: (text: string) => string): string[][] {
  return report.findings
    .filter((finding) => finding.severity === severity)
    .map(({component, pod, text}) => [component, clean(pod), paint(clean(text))])
}

function countsText({Desired, Ready, Available, Unavailable}: PodState, style: Style): string {
  const of = (name: string, count: number) => {
    const text = `${name}: ${count}/${Desired}`
    return count < Desired ? style.warn(text) : style.good(text)
  }
  const parts: string[] = []
  if (Desired > 0) parts.push(`Desired: ${Desired}`)
  if (Ready > 0) parts.push(of('Ready', Ready))
  if (Available > 0) parts.push(of('Available', Available))
  if (Unavailable > 0) parts.push(style.bad(`Unavailable: ${Unavailable}/${Desired}`))
  return parts.join(', ')
}

function phasesText(phases: Readonly<Record<string, number>>, style: Style): string {
  return Object.entries(phases)
    .map(([phase, count]) => {
      const paint = ['Running', 'Pending', 'Succeeded'].includes(phase) ? style.good : style.bad
      return paint(`${clean(phase)}: ${count}`)
    })
    .join(', ')
}

function verdictLine(report: StatusReport, style: Style, now: number): string {
  if (report.verdict !== 'degraded') return ''
  const since = report.since === undefined ? '' : ` since ${report.since} (${duration(now - Date.parse(report.since))})`
  return `\n${style.bad(`Degraded${since}`)}\n`
}
