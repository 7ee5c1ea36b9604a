/** `cilium status`: ask once, or until all is well. */
import {setTimeout as sleep} from 'node:timers/promises'
import {fail} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import type {ClusterView} from './cluster-view.ts'
import {collectStatus} from './collect.ts'
import {STATUS_UNKNOWN} from './errors.ts'
import type {StatusReport} from './report.ts'

export interface StatusOptions {
  readonly wait: boolean
  readonly waitMs: number
  /** warnings do not keep --wait waiting */
  readonly ignoreWarnings: boolean
  readonly workerCount: number
  readonly verbose: boolean
  /** how long the network is left alone between two looks at it; 1 s when absent */
  readonly pauseMs?: number
  readonly signal: AbortSignal
  readonly onProgress?: (report: StatusReport) => void
}

export interface StatusResult {
  readonly report: StatusReport
  /** why --wait ended without all being well */
  readonly gaveUp?: string
}

/**
 * The state of the network of a cluster.
 *
 * @throws STATUS_UNKNOWN when nothing could be found out; errors of the Kubernetes client when it cannot be reached
 */
export async function clusterStatus(cluster: ClusterOptions, options: StatusOptions): Promise<StatusResult> {
  const {connectView} = await import('./kubernetes-view.ts')
  using view = await connectView(cluster, options.signal)
  const result = await watchStatus(view, options)
  const {report} = result
  if (report.verdict === 'unknown' && Object.keys(report.pod_state).length === 0) {
    fail(STATUS_UNKNOWN, {detail: report.collection_errors.join('; '), namespace: cluster.namespace})
  }
  return result
}

/** Looks until the state asked for is reached, the time is over, or an agent keeps crashing. */
export async function watchStatus(view: ClusterView, options: StatusOptions): Promise<StatusResult> {
  const deadline = Date.now() + options.waitMs
  const {onProgress, ...again} = options
  for (let look = 1; ; look++) {
    // only the first look shows answer by answer: later ones would blank what is known already
    const {report, crashLooping} = await collectStatus(view, look === 1 ? options : again)
    onProgress?.(report)
    if (!options.wait || isWell(report, options.ignoreWarnings)) return {report}
    if (crashLooping) return {report, gaveUp: 'because an agent keeps crashing'}
    const left = deadline - Date.now()
    if (left <= 0) return {report, gaveUp: `after waiting for ${Math.round(options.waitMs / 1000)} s`}
    await sleep(Math.min(options.pauseMs ?? 1_000, left), undefined, {signal: options.signal})
  }
}

function isWell({verdict}: StatusReport, ignoreWarnings: boolean): boolean {
  return verdict === 'ok' || (ignoreWarnings && verdict === 'warning')
}
