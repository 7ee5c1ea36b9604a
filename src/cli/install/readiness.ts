/** Waits for what was applied: `--wait` of install and upgrade. */
import type {Step} from '../../lab/steps.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import type {StatusReport} from '../status/report.ts'

export interface Readiness {
  /** how it is at the end */
  report?: StatusReport
  /** why waiting ended without all being well */
  gaveUp?: string
}

/** @param into filled when the step ends, well or not */
export function waitStep({cluster, waitMs}: {cluster: ClusterOptions; waitMs: number}, into: Readiness): Step {
  return {
    title: 'Ready',
    run: async (say, signal) => {
      const {clusterStatus} = await import('../status/status.ts')
      const {report, gaveUp} = await clusterStatus(cluster, {
        wait: true,
        waitMs,
        // pods of others that wait for something else must not hold the installation up
        ignoreWarnings: true,
        workerCount: 5,
        verbose: false,
        signal,
        onProgress: (partial) => say(readiness(partial)),
      })
      into.report = report
      if (gaveUp !== undefined) into.gaveUp = gaveUp
    },
  }
}

function readiness({pod_state: states}: StatusReport): string {
  return Object.entries(states)
    .map(([name, {Ready, Desired}]) => `${name} ${Ready}/${Desired}`)
    .join(', ')
}
