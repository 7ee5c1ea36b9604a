/** Which cluster a command means, as its flags say. Nothing is read or connected yet. */
export interface ClusterOptions {
  /** path of the kubeconfig; the usual places when absent */
  readonly kubeconfig?: string
  /** context of the kubeconfig; its current one when absent */
  readonly context?: string
  /** namespace that Cilium runs in */
  readonly namespace: string
  readonly helmReleaseName: string
  readonly impersonate?: {readonly user: string; readonly groups: readonly string[]}
}
