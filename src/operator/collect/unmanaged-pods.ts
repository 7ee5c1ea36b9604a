import {namespacedKey, type PodRow} from '../rows.ts'

export interface UnmanagedPods {
  /** pods that run outside our network, the oldest first */
  readonly unmanaged: readonly PodRow[]
  /** the one to restart now */
  readonly restart: PodRow | undefined
}

export interface RestartTimes {
  readonly nowMs: number
  /** since when each node's agent is ready, ms */
  readonly agentReadySince: ReadonlyMap<string, number>
  /** when a pod was last restarted, ms */
  readonly lastRestartMs: number
}

const minAgeMs = 30_000
const agentSettledMs = 30_000
const betweenRestartsMs = 60_000

/**
 * Finds those of the selected pods that were started before our agent came to their node: their network is somebody
 * else's.
 * 1 Pods of the host's network, not running or about to end are none of ours. 2 A pod with an endpoint is managed.
 * 3 It counts as unmanaged only where the agent has been ready for a while: endpoints are written after pods start.
 * 4 One restart a minute, the oldest pod first, so that a service of two replicas never loses both.
 */
export function findUnmanagedPods(
  pods: readonly PodRow[],
  hasEndpoint: (key: string) => boolean,
  {nowMs, agentReadySince, lastRestartMs}: RestartTimes,
): UnmanagedPods {
  const unmanaged = pods
    .filter((pod) => !pod.hostNetwork && !pod.ended && !pod.terminating)
    .filter((pod) => pod.startedMs !== undefined && nowMs - pod.startedMs >= minAgeMs)
    .filter((pod) => nowMs - (agentReadySince.get(pod.node) ?? nowMs) >= agentSettledMs)
    .filter((pod) => !hasEndpoint(namespacedKey(pod)))
    .sort((a, b) => a.startedMs! - b.startedMs! || (namespacedKey(a) < namespacedKey(b) ? -1 : 1))
  const mayRestart = nowMs - lastRestartMs >= betweenRestartsMs
  return {unmanaged, restart: mayRestart ? unmanaged[0] : undefined}
}
