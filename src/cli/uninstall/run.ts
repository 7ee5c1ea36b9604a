/** `cilium uninstall` from flags to result. */

import {ClusterAccess} from '../install/cluster-access.ts'
import {type ProgressOptions, runWithProgress} from '../lab/progress.ts'
import {planUninstall, type UninstallPlan, type UninstallRequest} from './plan.ts'
import type {StuckPods} from './stuck-pods.ts'
import {uninstallSteps} from './uninstall.ts'

export interface UninstallRunOptions extends UninstallRequest {
  /** --export-file; a name with the time when absent */
  readonly exportFile?: string
  readonly wait: boolean
  readonly timeoutMs: number
  readonly dryRun: boolean
  readonly progress: ProgressOptions
  /** called before the first change */
  readonly onPlan: (plan: UninstallPlan, exportFile: string) => void
}

export interface UninstallResult {
  readonly release: string
  readonly namespace: string
  readonly removed: number
  /** where users' objects were written */
  readonly exportFile?: string
  readonly keptDefinitions: readonly string[]
  readonly stuckPods: readonly StuckPods[]
  readonly dryRun: boolean
}

/** @throws INSTALL_NOT_FOUND, UNINSTALL_*; errors of the Kubernetes client */
export async function uninstall(options: UninstallRunOptions): Promise<UninstallResult> {
  using access = await ClusterAccess.connect(options.cluster)
  const plan = await planUninstall(access, options)
  const exportFile =
    options.exportFile ?? `cilium-objects-${new Date().toISOString().replaceAll(':', '').slice(0, 17)}.yaml`
  options.onPlan(plan, exportFile)
  const steps = uninstallSteps(access, plan, {exportFile, wait: options.wait, timeoutMs: options.timeoutMs})
  if (!options.dryRun) await runWithProgress(steps, options.progress)
  return {
    release: plan.release,
    namespace: plan.namespace,
    removed: plan.objects.length + plan.definitions.length,
    ...(plan.own.length === 0 ? {} : {exportFile}),
    keptDefinitions: plan.keptDefinitions,
    stuckPods: plan.stuckPods,
    dryRun: options.dryRun,
  }
}
