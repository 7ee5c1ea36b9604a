/** Numbers of rules, each noted in a table as it is given out: whoever reads events finds the rule there. */
import {formatRuleRef, type RuleRef} from '../../policy/rule.ts'
import {RuleCookies} from '../../policy/rule-cookies.ts'
import type {Tables} from '../state/tables.ts'

/** How many rules are remembered: those of policies that are long gone go first. */
const maxRules = 100_000

export class NamedRules extends RuleCookies {
  private readonly tables: Pick<Tables, 'policyRules'>

  constructor(tables: Pick<Tables, 'policyRules'>) {
    super()
    this.tables = tables
  }

  override cookieOf(ref: RuleRef): number {
    const cookie = super.cookieOf(ref)
    const {policyRules} = this.tables
    if (policyRules.has(String(cookie))) return cookie
    if (policyRules.size >= maxRules) policyRules.delete(String(policyRules.values().next().value!.cookie))
    const {kind, namespace, name, uid} = ref.policy
    const rule = formatRuleRef(ref).slice(`${kind} ${namespace === '' ? name : `${namespace}/${name}`} `.length)
    policyRules.upsert({cookie, kind, namespace, name, uid, rule})
    return cookie
  }
}
