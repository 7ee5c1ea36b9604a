/** What `cilium status` wants to know from a cluster, and nothing more. Objects carry only the fields that are read. */

export interface Workload {
  readonly metadata: {readonly name: string; readonly generation?: number}
  readonly spec: {readonly replicas?: number}
  readonly status: {
    readonly observedGeneration?: number
    // DaemonSet
    readonly desiredNumberScheduled?: number
    readonly numberReady?: number
    readonly numberAvailable?: number
    readonly numberUnavailable?: number
    readonly updatedNumberScheduled?: number
    // Deployment
    readonly replicas?: number
    readonly readyReplicas?: number
    readonly availableReplicas?: number
    readonly unavailableReplicas?: number
    readonly updatedReplicas?: number
    readonly conditions?: readonly Condition[]
  }
}

export interface Condition {
  readonly type: string
  readonly status: string
  readonly lastTransitionTime?: string
  readonly message?: string
}

export interface ContainerStatus {
  readonly name: string
  readonly ready?: boolean
  readonly restartCount?: number
  readonly state?: {
    readonly running?: {readonly startedAt?: string}
    readonly waiting?: {readonly reason?: string; readonly message?: string}
    readonly terminated?: Termination
  }
  readonly lastState?: {readonly terminated?: Termination}
}

export interface Termination {
  readonly exitCode?: number
  readonly reason?: string
  readonly message?: string
  readonly finishedAt?: string
}

export interface Pod {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly creationTimestamp?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly spec: {
    readonly nodeName?: string
    readonly hostNetwork?: boolean
    readonly containers: readonly {readonly name: string; readonly image?: string}[]
  }
  readonly status: {
    readonly phase?: string
    readonly reason?: string
    readonly conditions?: readonly Condition[]
    readonly initContainerStatuses?: readonly ContainerStatus[]
    readonly containerStatuses?: readonly ContainerStatus[]
  }
}

export interface ExecResult {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export interface ClusterView {
  /** undefined when there is none of that name in the Cilium namespace */
  daemonSet(name: string): Promise<Workload | undefined>
  deployment(name: string): Promise<Workload | undefined>
  /** pods of the Cilium namespace with this label, as `key=value` */
  pods(selector: string): Promise<readonly Pod[]>
  /** how many pods of the cluster use the pod network and are Pending or Running */
  countPods(): Promise<number>
  /** how many CiliumEndpoints there are; undefined when their kind is not registered */
  countEndpoints(): Promise<number | undefined>
  /** annotations of the ConfigMap; undefined when it does not exist */
  configAnnotations(): Promise<Readonly<Record<string, string>> | undefined>
  /** chart version of the newest Helm release; undefined when there is no release */
  chartVersion(): Promise<string | undefined>
  exec(pod: string, container: string, command: readonly string[]): Promise<ExecResult>
  /** the last lines that a container wrote before it ended last */
  previousLog(pod: string, container: string, options: {sinceTime?: string; tailLines: number}): Promise<string>
}
