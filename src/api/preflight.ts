/** What a node tells before an installation: from `cilium-agent preflight` to `cilium preflight`. */
export interface PreflightFinding {
  /** an error keeps an agent from working; a warning may */
  readonly severity: 'error' | 'warning'
  readonly what: string
  readonly advice: string
}

export interface PreflightNode {
  /** release of the kernel */
  readonly kernel: string
  /** features that it lacks, wanted or not */
  readonly missing: readonly string[]
  readonly findings: readonly PreflightFinding[]
}
