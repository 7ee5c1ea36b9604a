import type {PreflightFinding} from '../../api/preflight.ts'
import type {Style} from '../render/style.ts'
import {clean} from '../render/text.ts'
import type {PreflightReport} from './preflight.ts'

export function preflightText({cluster, nodes, errors, warnings}: PreflightReport, style: Style): string {
  const lines = [section('Cluster', '', cluster, style)]
  for (const [name, {kernel, missing, findings}] of Object.entries(nodes).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const lacks = missing.length === 0 ? '' : `, without ${missing.join(', ')}`
    lines.push(section(`Node ${clean(name)}`, `kernel ${clean(kernel)}${lacks}`, findings, style))
  }
  const sum = errors > 0 ? style.bad(`${errors} errors`) : style.good('nothing is in the way')
  lines.push(`${sum}${warnings > 0 ? `, ${style.warn(`${warnings} warnings`)}` : ''}`)
  return `${lines.join('\n')}\n`
}

function section(title: string, detail: string, findings: readonly PreflightFinding[], style: Style): string {
  const state = findings.some(({severity}) => severity === 'error') ? style.bad('not ready') : style.good('ready')
  const lines = findings.map(({severity, what, advice}) => {
    const mark = severity === 'error' ? style.bad('error') : style.warn('warning')
    return `  ${mark} ${clean(what)}${advice === '' ? '' : `\n    try: ${clean(advice)}`}`
  })
  return [`${style.strong(title)}: ${state}${detail === '' ? '' : ` ${style.faint(`(${detail})`)}`}`, ...lines].join(
    '\n',
  )
}
