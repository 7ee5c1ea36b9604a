/** Words and small pieces that several parts of the page show. */
import type {FlowRow, Outcome, RowEnd} from '../wire.ts'
import {element} from './element.ts'

export const outcomeWords: Readonly<Record<Outcome, {readonly mark: string; readonly word: string}>> = {
  forwarded: {mark: '✓', word: 'forwarded'},
  denied: {mark: '✕', word: 'denied'},
  dropped: {mark: '!', word: 'dropped'},
  audited: {mark: '◌', word: 'audited'},
}

/** Mark and word: never colour alone. */
export function outcomeTag(outcome: Outcome): HTMLElement {
  const {mark, word} = outcomeWords[outcome]
  return element(
    'span',
    {class: 'outcome', 'data-health': outcome === 'forwarded' ? 'good' : outcome},
    `${mark} ${word}`,
  )
}

/** `checkout` with the rest in small: namespace, or what names the address has. */
export function endCell({name, namespace, names, ip, port}: RowEnd, withPort: boolean): HTMLElement {
  const known = namespace !== '' || names.length === 0 ? name : names[0]!
  const small = namespace !== '' ? namespace : known === ip ? '' : ip
  return element(
    'span',
    {class: 'end', title: [name, ...names, ip].filter((one) => one !== '').join('\n')},
    element('span', {class: 'end-name'}, known || ip),
    withPort && port !== 0 ? element('span', {class: 'end-port'}, `:${port}`) : undefined,
    small === '' ? undefined : element('span', {class: 'end-where'}, small),
  )
}

const clock = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
  hourCycle: 'h23',
})

export function timeText(ms: number): string {
  return clock.format(ms)
}

/** `just now`, `40 s ago`, `3 min ago` */
export function agoText(ms: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - ms) / 1000))
  if (seconds < 5) return 'just now'
  if (seconds < 90) return `${seconds} s ago`
  const minutes = Math.round(seconds / 60)
  return minutes < 90 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`
}

/** What a flow is about, in one short line. */
export function whyText({outcome, reason, type, summary, policies}: FlowRow): string {
  if (outcome !== 'denied' && outcome !== 'dropped') return summary || type
  const by = policies.find(({effect}) => effect === 'denies')
  return by === undefined
    ? reason || type
    : `${reason || type} · by ${by.namespace === '' ? '' : `${by.namespace}/`}${by.name}`
}
