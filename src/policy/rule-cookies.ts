/**
 * Numbers of rules, as verdict events carry them. Made from the rule's name, so that a restart gives the same numbers
 * and events that were written before it still name their rule.
 */
import {createHash} from 'node:crypto'
import {formatRuleRef, type RuleRef} from './rule.ts'
import type {Cookies} from './rule-set.ts'

export class RuleCookies implements Cookies {
  private readonly byName = new Map<string, number>()
  private readonly byCookie = new Map<number, RuleRef>()
  /** the name of a rule is read once for all subjects */
  private readonly byRef = new WeakMap<RuleRef, number>()

  /** Never 0, which is "nobody". */
  cookieOf(ref: RuleRef): number {
    const cookie = this.byRef.get(ref) ?? this.cookieOfName(ref)
    this.byRef.set(ref, cookie)
    return cookie
  }

  private cookieOfName(ref: RuleRef): number {
    const name = formatRuleRef(ref)
    const known = this.byName.get(name)
    if (known !== undefined) return known
    let cookie = createHash('sha256').update(name).digest().readUInt32LE(0)
    while (cookie === 0 || this.byCookie.has(cookie)) cookie = (cookie + 1) >>> 0
    this.byName.set(name, cookie)
    this.byCookie.set(cookie, ref)
    return cookie
  }

  /** The rule of a verdict, also when it is gone by now. */
  ruleOf(cookie: number): RuleRef | undefined {
    return this.byCookie.get(cookie)
  }
}
