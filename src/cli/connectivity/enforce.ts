/**
 * Policies for the time of a test: applied, and waited for until every node enforces them, so that what is seen after
 * that is their doing.
 */
import type {Endpoint, Policy} from '../../api/models.ts'
import {fail} from '../../runtime/errors.ts'
import {TEST_POLICY_LATE} from './errors.ts'
import type {Peer} from './test.ts'
import type {KubernetesObject, TestCluster} from './test-cluster.ts'
import {until} from './until.ts'

export interface Enforcement {
  readonly policies: readonly KubernetesObject[]
  readonly agents: readonly Peer[]
  readonly signal: AbortSignal
}

/** how long a policy may take until it holds on all nodes */
const lateMs = 30_000

interface HeldPolicy {
  readonly kind: string
  readonly metadata: {readonly namespace?: string; readonly name: string}
  readonly problems?: readonly {readonly path: string; readonly reason: string}[]
}

/**
 * Applies policies, and takes them away when what is returned is disposed of. What policies of the same names say is
 * taken away first: an interrupted run may have left them.
 *
 * @throws TEST_POLICY_LATE when a node does not enforce them in time, or finds them invalid
 */
export async function enforce(cluster: TestCluster, enforcement: Enforcement): Promise<AsyncDisposable> {
  const {policies} = enforcement
  await withdraw(cluster, enforcement)
  try {
    for (const policy of policies) await cluster.apply(policy)
    await settle(enforcement, true)
  } catch (thrown) {
    await withdraw(cluster, enforcement)
    throw thrown
  }
  return {[Symbol.asyncDispose]: () => withdraw(cluster, enforcement)}
}

async function withdraw(cluster: TestCluster, enforcement: Enforcement): Promise<void> {
  for (const {apiVersion, kind, metadata} of enforcement.policies) {
    const {name, namespace} = metadata
    await cluster.delete({apiVersion, kind, name, ...(namespace === undefined ? {} : {namespace})})
  }
  await settle(enforcement, false)
}

/** Waits until every agent holds the policies, or none of them, and says so of all its endpoints. */
async function settle({policies, agents, signal}: Enforcement, present: boolean): Promise<void> {
  const held = policies.filter(({kind}) => kind.endsWith('NetworkPolicy'))
  await Promise.all(
    agents.map(async (agent) => {
      const look = async () => (isSettled(await ask(agent, signal), held, {present, agent}) ? true : undefined)
      if ((await until(look, {signal, timeoutMs: lateMs})) !== undefined) return
      const names = held.map(({metadata}) => metadata.name).join(', ')
      fail(TEST_POLICY_LATE, {policies: names, node: nodeOf(agent), waited: `${lateMs / 1000} s`})
    }),
  )
}

interface AgentAnswer {
  readonly policy: Policy
  readonly endpoints: readonly Endpoint[]
}

const separator = '\n--\n'
const api = 'http://localhost/v1'

/** What an agent holds. By curl: our own commands would start a process of Node at every node for every look. */
async function ask(agent: Peer, signal: AbortSignal): Promise<AgentAnswer | undefined> {
  const command = ['curl', '-sf', '--unix-socket', '/var/run/cilium/cilium.sock', '-w', separator]
  const {stdout, exitCode} = await agent.exec([...command, `${api}/policy`, `${api}/endpoint`], {
    signal,
    timeoutMs: lateMs,
  })
  if (exitCode !== 0) return undefined
  const [policy = '', endpoints = ''] = stdout.split(separator)
  return {policy: JSON.parse(policy) as Policy, endpoints: JSON.parse(endpoints) as readonly Endpoint[]}
}

function isSettled(
  answer: AgentAnswer | undefined,
  policies: readonly KubernetesObject[],
  {present, agent}: {readonly present: boolean; readonly agent: Peer},
): boolean {
  if (answer === undefined) return false
  const {policy = '[]', revision = 0} = answer.policy
  const known = JSON.parse(policy) as readonly HeldPolicy[]
  const found = policies.map(({kind, metadata}) =>
    known.find(
      (one) =>
        one.kind === kind && one.metadata.name === metadata.name && one.metadata.namespace === metadata.namespace,
    ),
  )
  for (const one of found) {
    const [problem] = one?.problems ?? []
    if (present && problem !== undefined) {
      fail(TEST_POLICY_LATE, {
        policies: one!.metadata.name,
        node: nodeOf(agent),
        waited: `no time: it is invalid (${problem.path}: ${problem.reason})`,
      })
    }
  }
  return (
    found.every((one) => (one !== undefined) === present) &&
    answer.endpoints
      .filter(({status}) => status?.identity !== undefined)
      .every(({status}) => (status?.policy?.realized?.['policy-revision'] ?? 0) >= revision)
  )
}

function nodeOf(agent: Peer): string {
  return agent.node ?? agent.name
}
