/**
 * Policies for the time of a test: applied, and waited for until every node enforces them, so that what is seen after
 * that is their doing.
 */
import type {Policy} from '../../api/models.ts'
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
      const revision = await until(() => revisionWith(agent, held, {present, signal}), {signal, timeoutMs: lateMs})
      const node = agent.node ?? agent.name
      const names = held.map(({metadata}) => metadata.name).join(', ')
      if (revision === undefined) fail(TEST_POLICY_LATE, {policies: names, node, waited: `${lateMs / 1000} s`})
      const wait = ['cilium', 'policy', 'wait', String(revision), '--max-wait-time', `${lateMs / 1000}s`]
      const {exitCode} = await agent.exec(wait, {signal, timeoutMs: 2 * lateMs})
      if (exitCode !== 0) fail(TEST_POLICY_LATE, {policies: names, node, waited: `${lateMs / 1000} s`})
    }),
  )
}

/** @returns the revision of the agent's policies once they are those asked for */
async function revisionWith(
  agent: Peer,
  policies: readonly KubernetesObject[],
  {present, signal}: {readonly present: boolean; readonly signal: AbortSignal},
): Promise<number | undefined> {
  const {stdout, exitCode} = await agent.exec(['cilium', 'policy', 'get', '-o', 'json'], {signal, timeoutMs: lateMs})
  if (exitCode !== 0) return undefined
  const {policy = '[]', revision = 0} = JSON.parse(stdout) as Policy
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
        node: agent.node ?? agent.name,
        waited: `no time: it is invalid (${problem.path}: ${problem.reason})`,
      })
    }
  }
  return found.every((one) => (one !== undefined) === present) ? revision : undefined
}
