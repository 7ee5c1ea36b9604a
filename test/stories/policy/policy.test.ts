/** Stories of policies: objects, then questions with the verdict that the compiled sets and the reference must give. */
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {parse} from 'yaml'
import {formatRuleRef} from '../../../src/policy/rule.ts'
import {CompiledWorld} from '../../support/policy-reference/compiled.ts'
import {evaluate} from '../../support/policy-reference/evaluate.ts'
import type {Party, PolicyObject, Question, World, WorldPod} from '../../support/policy-reference/world.ts'

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.yaml'))

describe.for(files)('%s', (file) => {
  const {world: setting, stories} = parse(readFileSync(join(import.meta.dirname, file), 'utf8'))

  test.for<PolicyObject>(stories)('$name', (story) => {
    const world = worldOf(setting, story)

    const compiled = new CompiledWorld(world)
    const problems = (of: 'unenforceable' | 'warnings') =>
      compiled.policies.flatMap((policy) => policy[of].map(({path}) => path))

    expect(problems('unenforceable')).toEqual(story.unenforceable ?? [])
    if (story.warnings) expect(problems('warnings')).toEqual(story.warnings)
    const lines: string[] = story.questions.trim().split('\n')
    for (const line of lines) {
      const [asked, answer] = line.split(' → ') as [string, string]
      const [verdict, ...rule] = answer.split(' ')
      const question = questionOf(world, asked)
      const got = compiled.ask(question)
      expect(evaluate(world, question).allowed, `reference: ${line}`).toBe(verdict === 'allow')
      expect(got.allowed, line).toBe(verdict === 'allow')
      if (rule.length > 0) expect(got.rule && formatRuleRef(got.rule), line).toBe(rule.join(' '))
    }
  })
})

function worldOf(setting: PolicyObject, story: PolicyObject): World {
  const split = (name: string) => name.split('/') as [string, string]
  return {
    cluster: story.cluster ?? 'default',
    mode: story.mode ?? 'default',
    cidrMatchesNodes: false,
    nodeSelectors: setting.nodeSelectors ?? false,
    namespaces: setting.namespaces,
    pods: Object.entries<PolicyObject>(setting.pods).map(([key, {labels, ips, ports = {}}]): WorldPod => {
      const [namespace, name] = split(key)
      const named = Object.entries<string>(ports).map(([portName, text]) => {
        const [protocol, port] = split(text)
        return {name: portName, protocol: protocol as 'TCP', port: Number(port)}
      })
      return {namespace, name, labels, serviceAccount: 'default', ips, ports: named}
    }),
    nodes: Object.entries<PolicyObject>(setting.nodes).map(
      ([name, {local = false, apiServer = false, labels = {}, ips}]) => ({
        ...{name, local, apiServer, labels, ips},
      }),
    ),
    outside: setting.outside,
    cidrGroups: Object.entries<string[]>(setting.cidrGroups ?? {}).map(([name, cidrs]) => ({name, labels: {}, cidrs})),
    services: Object.entries<PolicyObject>(setting.services ?? {}).map(([key, {selector, backends = []}]) => {
      const [namespace, name] = split(key)
      return {namespace, name, labels: {}, backends, ...(selector ? {selector} : {})}
    }),
    policies: story.policies,
  }
}

const protocols: Record<string, number> = {TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPv6: 58}

/** `a/web in b/db@fd00:1::4 TCP/80` */
function questionOf(world: World, text: string): Question {
  const [subject, way, peer, what] = text.trim().split(/\s+/) as [string, string, string, string]
  const [protocol, port] = what.split('/') as [string, string]
  return {
    subject: podOf(world, subject) ?? world.nodes.find(({name}) => name === subject)!,
    direction: way === 'in' ? 'ingress' : 'egress',
    peer: partyOf(world, peer, protocol === 'ICMPv6'),
    protocol: protocols[protocol]!,
    port: Number(port),
  }
}

function podOf(world: World, name: string): WorldPod | undefined {
  return world.pods.find((pod) => `${pod.namespace}/${pod.name}` === name)
}

function partyOf(world: World, text: string, v6: boolean): Party {
  const [name, address] = text.split('@') as [string, string | undefined]
  const pod = podOf(world, name)
  if (pod !== undefined) return {kind: 'pod', pod, ip: address ?? pod.ips[v6 ? 1 : 0]!}
  const node = world.nodes.find((candidate) => candidate.name === name)
  if (node !== undefined) return {kind: 'node', node, ip: address ?? node.ips[v6 ? 1 : 0]!}
  if (!world.outside.includes(name)) throw new Error(`nobody is called ${name}`)
  return {kind: 'outside', ip: name}
}
