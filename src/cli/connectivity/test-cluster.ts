/** What the connectivity test wants from a cluster. Objects carry only the fields that are read. */

export interface ObjectRef {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
}

/** A Kubernetes object as it is sent: whole, for server-side apply. */
export interface KubernetesObject {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly [field: string]: unknown
}

export interface PodObject {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels?: Readonly<Record<string, string>>
    readonly deletionTimestamp?: string
  }
  readonly spec: {
    readonly nodeName?: string
    readonly containers: readonly {readonly name: string; readonly image?: string}[]
  }
  readonly status: {
    readonly phase?: string
    readonly podIPs?: readonly {readonly ip: string}[]
    readonly conditions?: readonly {
      readonly type: string
      readonly status: string
      readonly reason?: string
      readonly message?: string
    }[]
    readonly containerStatuses?: readonly {
      readonly name: string
      readonly ready: boolean
      readonly restartCount?: number
      readonly state?: {
        readonly waiting?: {readonly reason?: string; readonly message?: string}
        readonly terminated?: {readonly reason?: string; readonly exitCode?: number}
      }
      readonly lastState?: {readonly terminated?: {readonly exitCode?: number}}
    }[]
  }
}

export interface EndpointSliceObject {
  readonly endpoints?: readonly {readonly addresses: readonly string[]}[] | null
}

export interface NodeObject {
  readonly metadata: {readonly name: string; readonly labels?: Readonly<Record<string, string>>}
  readonly spec: {
    readonly podCIDRs?: readonly string[]
    readonly unschedulable?: boolean
    readonly taints?: readonly {readonly key: string; readonly effect: string}[]
  }
  readonly status: {readonly addresses?: readonly {readonly type: string; readonly address: string}[]}
}

export interface ServiceObject {
  readonly metadata: {readonly name: string; readonly namespace: string}
  readonly spec: {
    readonly type?: string
    readonly clusterIPs?: readonly string[]
    readonly ports?: readonly {readonly name?: string; readonly port: number; readonly nodePort?: number}[]
  }
}

/** Deployments and DaemonSets, as far as their roll-out is concerned. */
export interface WorkloadObject {
  readonly metadata: {readonly name: string; readonly generation?: number}
  readonly spec: {
    readonly replicas?: number
    readonly template?: {
      readonly spec?: {readonly containers?: readonly {readonly name: string; readonly image?: string}[]}
    }
  }
  readonly status: Readonly<Record<string, unknown>>
}

export interface CommandResult {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export interface ExecOptions {
  readonly signal: AbortSignal
  /** the command is given up after this long */
  readonly timeoutMs: number
}

export interface TestCluster {
  /** https://HOST:PORT of the API server */
  readonly server: string
  /** server-side apply with force; the field manager is `cilium-cli` */
  apply(object: KubernetesObject): Promise<void>
  /** undefined when it does not exist */
  get<T>(ref: ObjectRef): Promise<T | undefined>
  /** all of a kind; of all namespaces when none is given */
  list<T>(
    kind: Pick<ObjectRef, 'apiVersion' | 'kind'>,
    options?: {readonly namespace?: string; readonly selector?: string},
  ): Promise<readonly T[]>
  /** success when it does not exist */
  delete(ref: ObjectRef): Promise<void>
  exec(
    pod: {readonly namespace: string; readonly name: string; readonly container: string},
    command: readonly string[],
    options: ExecOptions,
  ): Promise<CommandResult>
}
