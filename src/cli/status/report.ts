import type {Endpoint, KernelSummary, ProgramGeneration, StatusResponse} from '../../api/models.ts'

/** Something wrong, with where and since when. */
export interface Finding {
  readonly component: string
  /** the pod, or the component when no pod is meant */
  readonly pod: string
  readonly severity: 'error' | 'warning'
  readonly text: string
  /** RFC 3339; absent when nobody noted the time */
  readonly since?: string
}

export interface PodState {
  readonly Type: 'DaemonSet' | 'Deployment'
  readonly Desired: number
  readonly Ready: number
  readonly Available: number
  readonly Unavailable: number
}

export interface ComponentFindings {
  readonly Errors: readonly string[]
  readonly Warnings: readonly string[]
  readonly Disabled: boolean
}

/** `unknown`: what was asked did not answer, so neither ok nor degraded can be said. */
export type Verdict = 'ok' | 'warning' | 'degraded' | 'unknown'

/** Result of `cilium status`: the keys that existing readers know, then ours. */
export interface StatusReport {
  readonly image_count: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly phase_count: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly pod_state: Readonly<Record<string, PodState>>
  readonly pods_count: {readonly all: number; readonly by_cilium: number}
  /** by agent pod */
  readonly cilium_status: Readonly<Record<string, StatusResponse>>
  readonly cilium_endpoints: Readonly<Record<string, readonly Endpoint[]>>
  /** by component, then by pod */
  readonly errors: Readonly<Record<string, Readonly<Record<string, ComponentFindings>>>>
  readonly collection_errors: readonly string[]
  readonly helm_chart_version: string
  readonly config_errors: readonly string[]

  readonly verdict: Verdict
  /** the earliest time that a finding of the verdict is known to hold since */
  readonly since?: string
  readonly findings: readonly Finding[]
  /** by node */
  readonly generations: Readonly<Record<string, ProgramGeneration>>
  /** by node; empty unless --verbose */
  readonly kernels: Readonly<Record<string, KernelSummary>>
  /** parts that have not answered yet; empty in a finished report */
  readonly pending: readonly string[]
}
