/** Rule sets by hand, in the maps of a node: rules about anybody, an identity or a CIDR class, and a port. */
import {ruleSetNumber} from '../../src/datapath/gen/enums.ts'
import {PolicyTables} from '../../src/datapath/maps/policy.ts'
import {groupsMax} from '../../src/policy/peer-groups.ts'
import type {DenyResponse} from '../../src/policy/rule.ts'
import {
  makePart,
  makeRuleSet,
  type PortEntry,
  type RangeEntry,
  type RuleSet,
  ruleBit,
} from '../../src/policy/rule-set.ts'
import {type BpfNode, identities} from './node.ts'

export interface HandRule {
  readonly identity?: number
  readonly cidrClass?: number
  /** 0: any */
  readonly protocol?: number
  /** 0: any */
  readonly port?: number
  /** the port is a block that shares so many bits */
  readonly bits?: number
  readonly verdict?: 'allow' | 'deny'
  readonly cookie?: number
  /** what the sender is told whom it denies */
  readonly response?: DenyResponse
}

export class PolicyRules {
  readonly tables: PolicyTables
  readonly #rows = new Map<string, {kind: 'identity' | 'class'; number: number; groups: Uint8Array}>()
  readonly #written: [number, RuleSet][] = []
  #nextSet: number = ruleSetNumber.SET_FIRST
  #nextGroup = 1

  constructor(node: BpfNode) {
    this.tables = new PolicyTables((name) => node.fd(name))
    for (const number of [0, 1, 2, 6, 9, 10, ...Object.values(identities)]) this.know(number)
  }

  /** An identity that nobody knew. */
  know(identity: number): void {
    this.tables.writePeers([this.#row('identity', identity)])
  }

  forget(identity: number): void {
    this.#rows.delete(`identity ${identity}`)
    this.tables.writePeers([{kind: 'identity', number: identity, groups: undefined}])
  }

  /**
   * The number of a new set with these rules, the first being the strongest; what none speaks about is denied.
   * @param response what senders are told of that
   */
  install(rules: readonly HandRule[], perPart = rules.length || 1, response?: DenyResponse): number {
    const parts = Array.from({length: Math.max(1, Math.ceil(rules.length / perPart))}, (_, n) =>
      this.#part(rules.slice(n * perPart, (n + 1) * perPart)),
    )
    const set = makeRuleSet(parts, {verdict: 'deny', cookie: 99, ...(response === undefined ? {} : {response})})
    const number = this.#nextSet++
    this.tables.writePeers(this.#rows.values())
    this.tables.write(number, set)
    this.#written.push([number, set])
    return number
  }

  /** Takes all sets out. */
  clear(): void {
    for (const [number, set] of this.#written.splice(0)) this.tables.remove(number, set)
  }

  close(): void {
    this.clear()
    this.tables.close()
  }

  #part(rules: readonly HandRule[]) {
    const [entries, ranges] = [[] as PortEntry[], [] as RangeEntry[]]
    for (const [index, {protocol = 0, port = 0, bits}] of rules.entries()) {
      const list: PortEntry[] = bits === undefined ? entries : ranges
      const known = list.findIndex((one) => one.protocol === protocol && one.port === port)
      const mask = ruleBit(index) | (known < 0 ? 0n : list.splice(known, 1)[0]!.rules)
      list.push({protocol, port, rules: mask, ...(bits === undefined ? {} : {bits})})
    }
    const made = rules.map(({identity, cidrClass, verdict = 'allow', cookie = 7, response}) => {
      const voice = {
        ...{verdict, explicit: verdict === 'deny', cookie},
        ...(response === undefined ? {} : {response}),
      }
      if (identity === undefined && cidrClass === undefined) return {group: 0, ...voice}
      const group = this.#nextGroup++ % groupsMax
      const row = identity === undefined ? this.#row('class', cidrClass!) : this.#row('identity', identity)
      row.groups[group >> 3]! |= 1 << (group & 7)
      return {group, ...voice}
    })
    return makePart(made, entries, ranges)
  }

  #row(kind: 'identity' | 'class', number: number) {
    const key = `${kind} ${number}`
    let row = this.#rows.get(key)
    if (row === undefined) this.#rows.set(key, (row = {kind, number, groups: new Uint8Array(groupsMax / 8)}))
    return row
  }
}
