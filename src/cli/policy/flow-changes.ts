/** Which recorded connections a change of policies would cut or open. Pure. */
import {Ip} from '../../model/ip.ts'
import {protocolLabel} from '../../model/port.ts'
import {type ClusterModel, type Member, outsideMember} from '../../policy/cluster-model.ts'
import {explainConnection} from '../../policy/explain.ts'
import {formatTime} from '../hubble/time.ts'
import type {Style} from '../render/style.ts'
import {type Row, table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import {type Connection, type FlowEnd, nameOf} from './flows.ts'

export interface FlowChange {
  readonly from: string
  readonly to: string
  readonly port: string
  readonly before: 'allowed' | 'denied'
  readonly after: 'allowed' | 'denied'
  /** recorded flows of it */
  readonly flows: number
  readonly last: string
  /** what decides after the change */
  readonly reason: string
}

export interface FlowReport {
  readonly connections: number
  readonly changes: readonly FlowChange[]
  /** of pods that are not there any more: nobody can be asked for them */
  readonly gone: number
}

export function flowChanges(now: ClusterModel, then: ClusterModel, connections: readonly Connection[]): FlowReport {
  const byName = new Map(now.facts.members.map((member) => [member.key, member]))
  const byIp = new Map(now.facts.members.flatMap((member) => member.ips.map((ip) => [ip.toString(), member] as const)))
  const changes: FlowChange[] = []
  let gone = 0
  for (const {from, to, protocol, port, last, passed, refused} of connections) {
    const ends = [from, to].map((end) => memberOf(end, byName, byIp))
    const [sender, receiver] = ends
    if (sender === undefined || receiver === undefined) {
      gone++
      continue
    }
    const question = {
      from: sender,
      to: receiver,
      fromIp: Ip.parse(from.ip),
      toIp: Ip.parse(to.ip),
      protocol,
      port,
    }
    const [before, after] = [explainConnection(now, question), explainConnection(then, question)]
    if (before.allowed === after.allowed) continue
    const side =
      after.sides.find(({verdict}) => verdict === (after.allowed ? 'allowed' : 'denied')) ?? after.sides.at(-1)
    const by = side?.rule ?? side?.isolatedBy.join(', ') ?? ''
    changes.push({
      from: nameOf(from),
      to: nameOf(to),
      port: `${port}/${protocolLabel(protocol)}`,
      before: before.allowed ? 'allowed' : 'denied',
      after: after.allowed ? 'allowed' : 'denied',
      flows: passed + refused,
      last: formatTime(last),
      reason: [side?.reason ?? '', by].filter((text) => text !== '').join(': '),
    })
  }
  // what is cut comes first, the busiest of it before others
  changes.sort((a, b) => (a.after === b.after ? b.flows - a.flows : a.after === 'denied' ? -1 : 1))
  return {connections: connections.length, changes, gone}
}

/** undefined: a pod that is gone */
function memberOf(
  end: FlowEnd,
  byName: ReadonlyMap<string, Member>,
  byIp: ReadonlyMap<string, Member>,
): Member | undefined {
  if (end.pod !== '') return byName.get(nameOf(end))
  const ip = Ip.parse(end.ip)
  return byIp.get(ip?.toString() ?? end.ip) ?? outsideMember(end.ip, ip === undefined ? [] : [ip])
}

export function flowChangesText({connections, changes, gone}: FlowReport, style: Style): string {
  const cut = changes.filter(({after}) => after === 'denied').length
  const lines = [
    changes.length === 0
      ? `no recorded connection of ${connections} changes`
      : `of ${connections} recorded connections ${cut} would be cut and ${changes.length - cut} opened`,
  ]
  if (gone > 0) lines.push(`${gone} of them are of pods that are gone: not judged`)
  if (changes.length === 0) return `${lines.join('\n')}\n`
  const rows: Row[] = [
    ['FROM', 'TO', 'PORT', 'NOW', 'THEN', 'FLOWS', 'LAST', 'WHY'],
    ...changes.map((one) => [
      ...[clean(one.from), clean(one.to), one.port, one.before],
      one.after === 'denied' ? style.bad(one.after) : style.good(one.after),
      ...[String(one.flows), one.last, clean(one.reason)],
    ]),
  ]
  return `${lines.join('\n')}\n${table(rows)}`
}
