/**
 * Stories of LB-IPAM: pools and Services in, addresses and what is said of pools out. A story is a YAML file; each step
 * changes objects, which then carry what they were given, as the API server would.
 */
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {parse} from 'yaml'
import type {Service} from '../../src/k8s/resources.ts'
import {assignAddresses} from '../../src/operator/lb-ipam/assign.ts'
import {lbServiceRow, type PoolObject, poolRow, satisfiedCondition} from '../../src/operator/lb-ipam/objects.ts'

interface Step {
  readonly says?: string
  readonly pools?: readonly PoolObject[]
  readonly services?: readonly Service[]
  /** `name` of a pool, `namespace/name` of a service */
  readonly remove?: readonly string[]
  readonly expect: {readonly services?: Record<string, string>; readonly pools?: Record<string, string>}
}

interface Story {
  readonly story: string
  readonly families?: readonly (4 | 6)[]
  readonly classless?: boolean
  readonly steps: readonly Step[]
}

const folder = join(import.meta.dirname, 'lb-ipam')

describe.each(readdirSync(folder).sort())('%s', (file) => {
  const story = parse(readFileSync(join(folder, file), 'utf8')) as Story

  test(story.story, () => {
    const pools = new Map<string, PoolObject>()
    const services = new Map<string, Service>()
    for (const [number, step] of story.steps.entries()) {
      const created = {creationTimestamp: `2026-01-01T00:00:${String(number).padStart(2, '0')}Z`}
      for (const one of step.pools ?? []) {
        const before = pools.get(one.metadata.name)?.metadata ?? created
        pools.set(one.metadata.name, {...one, metadata: {...before, ...one.metadata}})
      }
      for (const one of step.services ?? []) {
        const key = `${one.metadata.namespace}/${one.metadata.name}`
        const before = services.get(key)
        services.set(key, {...before, ...one, metadata: {...(before?.metadata ?? created), ...one.metadata}})
      }
      for (const key of step.remove ?? []) {
        pools.delete(key)
        services.delete(key)
      }
      const choice = {families: story.families ?? ([4, 6] as const), classless: story.classless ?? true}
      const rows = [...services.values()].map((one) => lbServiceRow(one, choice)).filter((row) => row !== undefined)

      const given = assignAddresses([...pools.values()].map(poolRow), rows)

      const seen = {
        services: Object.fromEntries(
          given.assignments.map(({namespace, name, ips, status, reason, message}) => [
            `${namespace}/${name}`,
            ips === undefined
              ? 'nothing of ours'
              : `${ips.join(' ') || '-'} ${status === 'True' ? reason : `${reason}: ${message}`}`,
          ]),
        ),
        pools: Object.fromEntries(
          given.pools.map(({name, conflict, total, used}) => [
            name,
            `${used} of ${total}${conflict && `, ${conflict}`}`,
          ]),
        ),
      }
      for (const part of ['services', 'pools'] as const)
        if (step.expect[part] !== undefined) expect(seen[part], step.says ?? '').toEqual(step.expect[part])
      for (const {namespace, name, ips, status, reason, message} of given.assignments) {
        const key = `${namespace}/${name}`
        const ingress = (ips ?? []).map((ip) => ({ip: String(ip)}))
        const conditions = ips === undefined ? [] : [{type: satisfiedCondition, status, reason, message}]
        services.set(key, {...services.get(key)!, status: {loadBalancer: {ingress}, conditions}})
      }
    }
  })
})
