/** Plan, difference and result of an upgrade as text. */
import type {Style} from '../render/style.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import type {FieldChange} from './difference.ts'
import type {UpgradePlan} from './upgrade-plan.ts'
import type {UpgradeDifference, UpgradeResult} from './upgrade-run.ts'

/** A field's text is cut here: certificates and scripts are compared by other tools. */
const maxText = 160

export function upgradePlanText(plan: UpgradePlan, style: Style): string {
  const count = (change: string): number => plan.objects.filter((one) => one.change === change).length
  const {from, to} = plan
  return (
    `Release ${clean(plan.release)} in ${clean(plan.namespace)}: revision ${from.revision} (${clean(from.version)}) to ` +
    `${to.revision} (${clean(to.version)}); ${count('change')} objects change, ${count('create')} are new, ` +
    `${plan.removed.length} go, ${count('keep')} stay\n` +
    plan.warnings.map((line) => `${style.warn('!')} ${clean(line)}\n`).join('')
  )
}

/** One line a field: what goes, what comes. */
export function differenceText(difference: UpgradeDifference, style: Style): string {
  const {from, to, values, created, changed, removed, kept} = difference
  const lines = [
    `Release ${clean(difference.release)}: revision ${from.revision} (${clean(from.version)}) → ${to.revision} (${clean(to.version)})`,
  ]
  if (values.length > 0) lines.push('', 'Values', ...fieldLines(values, style))
  for (const {object, fields} of changed)
    lines.push('', `${style.warn('~')} ${clean(object)}`, ...fieldLines(fields, style))
  if (created.length + removed.length > 0) lines.push('')
  for (const name of created) lines.push(`${style.good('+')} ${clean(name)}`)
  for (const name of removed) lines.push(`${style.bad('-')} ${clean(name)}`)
  lines.push('')
  if (created.length + changed.length + removed.length === 0) lines.push('No object changes.')
  else lines.push(`${kept} objects stay as they are. Nothing was changed: this was a dry run.`)
  for (const line of difference.warnings) lines.push(`${style.warn('!')} ${clean(line)}`)
  return `${lines.join('\n')}\n`
}

export function upgradeText(result: UpgradeResult, style: Style): string {
  const did = [
    [result.created, 'created'],
    [result.changed, 'changed'],
    [result.removed, 'removed'],
    [result.kept, 'left as they were'],
  ] as const
  const counts = did.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`)
  const head = `Cilium is at ${clean(result.version)}, revision ${result.revision} of release ${clean(result.release)}: ${counts.join(', ')}\n`
  if (result.gaveUp !== undefined)
    return `${head}${style.warn('!')} not ready ${clean(result.gaveUp)}; cilium status shows why, cilium upgrade --rollback goes back\n`
  return result.status === undefined ? `${head}See it become ready: cilium status --wait\n` : head
}

function fieldLines(fields: readonly FieldChange[], style: Style): string[] {
  const rows = fields.map(({path, before, after}) => {
    const old = style.bad(fieldText(before))
    const now = style.good(fieldText(after))
    return [
      `    ${clean(path.replace(/^\./, ''))}`,
      before === undefined ? now : after === undefined ? `${old} → gone` : `${old} → ${now}`,
    ]
  })
  return table(rows).trimEnd().split('\n')
}

function fieldText(value: unknown): string {
  const text = clean(typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
  return text.length > maxText ? `${text.slice(0, maxText)}…` : text === '' ? '""' : text
}
