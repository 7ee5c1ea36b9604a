/** `cilium install` from flags to result. */
import {manifestText} from '../chart/render.ts'
import {toYaml} from '../chart/template/go-yaml.ts'
import {type ProgressOptions, runWithProgress} from '../lab/progress.ts'
import type {StatusReport} from '../status/report.ts'
import {chartFrom} from './chart-source.ts'
import {ClusterAccess} from './cluster-access.ts'
import {installSteps} from './install.ts'
import type {InstallPlan} from './plan.ts'
import {type InstallRequest, prepareInstall} from './prepare.ts'
import {type Readiness, waitStep} from './readiness.ts'

export interface InstallOptions extends InstallRequest {
  readonly historyMax: number
  readonly wait: boolean
  readonly waitMs: number
  readonly progress: ProgressOptions
  /** called before the first change */
  readonly onPlan: (plan: InstallPlan) => void
}

export interface InstallResult {
  readonly release: string
  readonly namespace: string
  readonly version: string
  readonly revision: number
  readonly created: number
  readonly changed: number
  readonly kept: number
  /** with --wait: how it is now */
  readonly status?: StatusReport
  /** with --wait: why waiting ended without all being well */
  readonly gaveUp?: string
}

/** @throws what prepareInstall throws; INSTALL_APPLY */
export async function install(options: InstallOptions): Promise<InstallResult> {
  using access = await ClusterAccess.connect(options.cluster)
  const prepared = await prepareInstall(access, options)
  const {plan} = prepared
  options.onPlan(plan)
  const steps = installSteps(access, prepared, {historyMax: options.historyMax, now: () => new Date()})
  const waiting: Readiness = {}
  if (options.wait) steps.push(waitStep(options, waiting))
  await runWithProgress(steps, options.progress)
  const count = (change: string): number => plan.objects.filter((one) => one.change === change).length
  return {
    release: plan.release,
    namespace: plan.namespace,
    version: plan.version,
    revision: plan.revision,
    created: count('create'),
    changed: count('change'),
    kept: count('keep'),
    ...(waiting.report === undefined ? {} : {status: waiting.report}),
    ...(waiting.gaveUp === undefined ? {} : {gaveUp: waiting.gaveUp}),
  }
}

/** The manifests that would be applied, as one text. */
export async function dryRun(request: InstallRequest): Promise<string> {
  using access = await ClusterAccess.connect(request.cluster)
  return manifestText((await prepareInstall(access, request)).rendered.manifests)
}

/** The values that differ from the chart's, as YAML. */
export async function dryRunValues(request: InstallRequest): Promise<string> {
  using access = await ClusterAccess.connect(request.cluster)
  return toYaml((await prepareInstall(access, request)).values)
}

/** The versions that this CLI can install: the one it carries. */
export async function carriedVersions(chartFolder: string | undefined): Promise<readonly string[]> {
  return [(await chartFrom(chartFolder)).version]
}
