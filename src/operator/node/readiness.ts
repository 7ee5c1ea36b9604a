import type {NodeRow, PodRow, Taint} from '../rows.ts'

export interface ReadinessPolicy {
  readonly taintKey: string
  readonly removeTaints: boolean
  readonly setTaints: boolean
  readonly setCondition: boolean
}

/** What a Node should be changed to. */
export interface NodeChange {
  readonly name: string
  /** all taints the node should have; undefined when they are right */
  readonly taints: readonly Taint[] | undefined
  /** the condition NetworkUnavailable should say that the network is up */
  readonly networkUp: boolean
}

/** The condition NetworkUnavailable=False has this reason when it is ours. */
export const networkUpReason = 'CiliumIsUp'

/**
 * What differs on a node from what its agent's state asks for. 1 An agent that is ready: no taint, network up. 2 An
 * agent that is scheduled and not ready: nothing new should come to the node, so it is tainted; what runs there stays.
 * 3 No agent: nothing is touched, the node may not be ours.
 */
export function nodeChange(node: NodeRow, agents: readonly PodRow[], policy: ReadinessPolicy): NodeChange | undefined {
  const scheduled = agents.filter((agent) => !agent.ended)
  if (scheduled.length === 0) return undefined
  const ready = scheduled.some((agent) => agent.ready && !agent.terminating)
  const tainted = node.taints.some(({key}) => key === policy.taintKey)

  let taints: readonly Taint[] | undefined
  if (ready && tainted && policy.removeTaints) taints = node.taints.filter(({key}) => key !== policy.taintKey)
  if (!ready && !tainted && policy.setTaints) taints = [...node.taints, {key: policy.taintKey, effect: 'NoSchedule'}]

  const isUp = node.network?.status === 'False' && node.network.reason === networkUpReason
  const networkUp = ready && policy.setCondition && !isUp
  return taints === undefined && !networkUp ? undefined : {name: node.name, taints, networkUp}
}
