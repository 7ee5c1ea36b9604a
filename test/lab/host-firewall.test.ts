/**
 * Host policies on real nodes, with nothing that keeps ports open (`hostFirewall.failsafe: false`), so that a policy can
 * really cut a node off.
 */
import {execa} from 'execa'
import {afterAll, beforeAll, expect, test} from 'vitest'
import type {SuiteReport} from '../../src/cli/connectivity/report.ts'
import {Cluster, until, workloadPod} from '../support/lab/cluster.ts'

const cluster = new Cluster('t-hostfw')
/** Hubble's port on every node. */
const port = 4244
let addresses: {readonly node1: readonly string[]; readonly node2: readonly string[]}

beforeAll(async () => {
  await cluster.down()
  await cluster.up(2)
  await cluster.ciliumOk(
    ...['install', '--wait', '--set', 'ipv6.enabled=true'],
    ...['--set', 'hostFirewall.enabled=true', '--set', 'hostFirewall.failsafe=false'],
    ...['--set', 'policyCIDRMatchMode={nodes}', '--set', 'nodeSelectorLabels=true'],
  )
  await cluster.ciliumOk('status', '--wait')
  const of = async (node: string) => {
    const path = 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}'
    return (await cluster.kubectl('get', 'node', node, '-o', path)).trim().split(/\s+/)
  }
  addresses = {node1: await of('node1'), node2: await of('node2')}
})
afterAll(async () => {
  await cluster.down()
})

/** Nobody of the world reaches Hubble on node1. */
const sound = hostPolicy('sound', {
  ingressDeny: [{fromEntities: ['world'], toPorts: [{ports: [{port: String(port), protocol: 'TCP'}]}]}],
})
const closed = hostPolicy('closed', {ingressDeny: [{fromEntities: ['all']}], egressDeny: [{toEntities: ['all']}]})

test('a policy that leaves the node within reach holds at once, from the outside alone, and is confirmed', async () => {
  expect(await heard('outside', 'node1')).toEqual([true, true])
  await cluster.apply(sound)

  await until('the policy to hold', 20_000, async () => (await isCut('outside', 'node1')) || undefined)
  expect(await phase('node1')).toBe('trial')
  expect(await heard('outside', 'node2')).toEqual([true, true])
  expect(await heard('node2', 'node1')).toEqual([true, true])
  await until('the trial to end', 90_000, async () => (await phase('node1')) === 'confirmed' || undefined)
  expect(await heard('outside', 'node1')).toEqual([false, false])
})

test('it holds while the agent is away and after it has come back, without another trial', async () => {
  await cluster.killAgent('node1')
  expect(await heard('outside', 'node1')).toEqual([false, false])
  await cluster.agentsReady()

  expect(await phase('node1')).toBe('confirmed')
  expect(await heard('outside', 'node1')).toEqual([false, false])
})

test('a policy that cuts the node off from the API server and its neighbours returns by itself, and says so', async () => {
  await cluster.apply(closed)
  await until('the node to be cut off', 20_000, async () => (await isCut('node2', 'node1')) || undefined)

  await until('the node to be back', 120_000, async () => (await isHeard('node2', 'node1')) || undefined)

  const condition = await until('the condition', 60_000, async () => {
    const path = 'jsonpath={.status.conditions[?(@.type=="Enforced")]}'
    const text = await cluster.kubectl('get', 'ccnp', 'closed', '-o', path)
    return text === '' ? undefined : (JSON.parse(text) as {status: string; reason: string; message: string})
  })
  expect(condition).toMatchObject({status: 'False', reason: 'NotConfirmed'})
  expect(condition.message).toMatch(/^node node1: .*API server did not answer/)
  // what was confirmed before is what holds
  expect(await heard('outside', 'node1')).toEqual([false, false])
  await until('the agent to tell', 60_000, async () => (await phase('node1')) === 'returned' || undefined)
})

test('a node that is killed out of a trial starts with what was confirmed', async () => {
  await cluster.kubectl('delete', 'ccnp', 'closed', '--wait=true')
  await until('nothing to be tried', 30_000, async () => (await phase('node1')) === 'confirmed' || undefined)
  await cluster.apply(closed)
  await until('the node to be cut off', 20_000, async () => (await isCut('node2', 'node1')) || undefined)

  // the node does not hear of this while it is cut off; what is gone when the next agent starts is not tried again
  await cluster.kubectl('delete', 'ccnp', 'closed', '--wait=true')
  await cluster.killAgent('node1')

  // the next agent goes back before it has asked the API server anything
  await until('the node to be back', 60_000, async () => (await isHeard('node2', 'node1')) || undefined)
  expect(await heard('outside', 'node1')).toEqual([false, false])
  await until('a confirmed node', 120_000, async () => (await phase('node1')) === 'confirmed' || undefined)
})

test('the connectivity tests of host policies pass', async () => {
  await cluster.kubectl('delete', 'ccnp', '--all', '--wait=true')
  const {exitCode, stdout, stderr} = await cluster.cilium('connectivity', 'test', '--test', '^host-firewall')

  expect(exitCode, `${stdout}\n${stderr}`).toBe(0)
})

test('so do those of the control plane, where a node says that it carries it', async () => {
  await cluster.kubectl('label', 'node', 'node2', 'node-role.kubernetes.io/control-plane=')
  const {exitCode, stdout, stderr} = await cluster.cilium(
    ...['connectivity', 'test', '--test', 'controlplane', '--k8s-localhost-test', '-o', 'json'],
  )
  await cluster.kubectl('label', 'node', 'node2', 'node-role.kubernetes.io/control-plane-')

  expect(exitCode, `${stdout}\n${stderr}`).toBe(0)
  const {tests} = JSON.parse(stdout) as SuiteReport
  const outcomes = new Map(tests.map(({name, outcome, reason}) => [name, reason ?? outcome]))
  expect(Object.fromEntries(outcomes)).toEqual({
    'pod-to-controlplane-host': 'passed',
    'pod-to-controlplane-host-cidr': 'passed',
    'pod-to-k8s-on-controlplane': 'passed',
    // the lab's is on no node
    'pod-to-k8s-on-controlplane-cidr': expect.stringMatching(/^the API server is at .* on no such node$/),
  })
})

test('without policies everybody reaches the node again', async () => {
  await cluster.kubectl('delete', 'ccnp', '--all', '--wait=true')

  await until('the node to be open', 30_000, async () => (await isHeard('outside', 'node1')) || undefined)
  expect(await phase('node1')).toBe('confirmed')
})

test('pods tell nodes apart by labels, as these come and go, and while the agent is away', async () => {
  const trusted = {matchLabels: {'example.org/trusted': 'yes'}}
  await cluster.apply(
    workloadPod('echo', 'node1', {app: 'echo'}),
    workloadPod('client', 'node1', {app: 'client'}),
    podPolicy('echo', {ingress: [{fromNodes: [trusted]}]}),
    podPolicy('client', {egress: [{toNodes: [trusted]}]}),
  )
  const echo = (await cluster.podAddresses('default', 'app=echo')).get('echo')!.addresses
  await cluster.podAddresses('default', 'app=client')
  /** from node2 to the pod, and from the pod to node2, both families */
  const passes = async () =>
    await Promise.all([
      ...echo.map(async (ip) => (await cluster.at('node2', 'sh', '-c', curl(ip, 8080))).trim() !== '28'),
      ...addresses.node2.map(
        async (ip) =>
          (await cluster.kubectl('exec', 'client', '--', 'sh', '-c', curl(ip, port, 'https'))).trim() !== '28',
      ),
    ])
  const becomes = async (expected: boolean) =>
    await until(`nodes to be ${expected ? 'let in' : 'kept out'}`, 60_000, async () =>
      (await passes()).every((one) => one === expected) ? true : undefined,
    )
  await becomes(false)

  await cluster.kubectl('label', 'node', 'node2', 'example.org/trusted=yes')
  await becomes(true)
  expect(await agentAnswer('node1', 'identity')).toContain('node:example.org/trusted=yes')
  await cluster.killAgent('node1')
  expect(await passes()).toEqual([true, true, true, true])
  await cluster.agentsReady()
  expect(await passes()).toEqual([true, true, true, true])

  await cluster.kubectl('label', 'node', 'node2', 'example.org/trusted-')
  await becomes(false)
  const labels = await cluster.kubectl('get', 'ciliumnode', 'node2', '-o', 'jsonpath={.metadata.labels}')
  expect(labels).not.toContain('example.org/trusted')
  await cluster.kubectl('delete', 'cnp', '--all', '--wait=true')
  await becomes(true)
})

function podPolicy(app: string, rules: object): object {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: {name: app, namespace: 'default'},
    spec: {endpointSelector: {matchLabels: {app}}, ...rules},
  }
}

function hostPolicy(name: string, rules: object): object {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumClusterwideNetworkPolicy',
    metadata: {name},
    // isolating nothing: what no rule denies passes
    spec: {
      nodeSelector: {matchLabels: {'kubernetes.io/hostname': 'node1'}},
      enableDefaultDeny: {ingress: false, egress: false},
      ...rules,
    },
  }
}

/** Does Hubble's port answer at each address of a node, in any way? */
async function heard(from: string, to: 'node1' | 'node2'): Promise<boolean[]> {
  return await Promise.all(
    addresses[to].map(async (address) => {
      return (await cluster.at(from, 'sh', '-c', curl(address, port, 'https'))).trim() !== '28'
    }),
  )
}

/** Prints curl's exit code: 28 when nobody has answered. */
function curl(address: string, to: number, scheme = 'http'): string {
  const url = `${scheme}://${address.includes(':') ? `[${address}]` : address}:${to}/`
  return `curl -sk -o /dev/null --connect-timeout 3 -g '${url}'; echo $?`
}

const isHeard = async (from: string, to: 'node1' | 'node2') => (await heard(from, to)).every((one) => one)
const isCut = async (from: string, to: 'node1' | 'node2') => (await heard(from, to)).every((one) => !one)

/** How the newest host policies fare at a node, by its agent's socket. */
async function phase(node: string): Promise<string> {
  const stdout = await agentAnswer(node, 'healthz')
  const status = stdout === '' ? {} : (JSON.parse(stdout) as {'host-firewall'?: {'policy-phase'?: string}})
  return status['host-firewall']?.['policy-phase'] ?? 'unknown'
}

/** What an agent's API says; empty when it does not answer. */
async function agentAnswer(node: string, path: string): Promise<string> {
  const script = `curl -s --unix-socket /var/run/cilium/cilium.sock http://localhost/v1/${path}`
  const {stdout} = await execa(
    process.execPath,
    ['bin/cilium.js', 'lab', 'exec', '--name', cluster.name, node, '--', 'sh', '-c', script],
    {reject: false, stdin: 'ignore'},
  )
  return stdout
}
