export type Family = 'ipv4' | 'ipv6'

/** What the flags of `cilium connectivity test` say. */
export interface ConnectivityOptions {
  /** regular expressions over "test/scenario"; one that begins with ! leaves out */
  readonly tests: readonly string[]
  /** namespaces that tests run in at the same time */
  readonly concurrency: number
  /** -1, -2, … is added for each */
  readonly namespacePrefix: string
  /** undefined: found out */
  readonly singleNode?: boolean
  readonly forceDeploy: boolean
  /** 0: none */
  readonly timeoutMs: number
  readonly pauseOnFail: boolean
  readonly junitFile?: string
  readonly junitProperties: Readonly<Record<string, string>>
  readonly exitZeroOnFailure: boolean
  readonly families: readonly Family[]
  /** image of the workloads; undefined: that of the agents */
  readonly image?: string
  readonly nodeSelector: Readonly<Record<string, string>>
  readonly tolerations: readonly string[]
  readonly namespaceLabels: Readonly<Record<string, string>>
  readonly serviceType: 'NodePort' | 'ClusterIP' | 'LoadBalancer'
  readonly external: Omit<ExternalTargets, 'targetHasIpv6' | 'tls'> & Partial<ExternalTargets>
  /** words before a command that run it on a machine outside of the cluster */
  readonly outsideExec: readonly string[]
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly retries: number
  readonly retryDelayMs: number
  /** the API server runs on nodes that are managed, in their own network */
  readonly k8sLocalhost: boolean
  readonly agentSelector: string
  readonly agentDaemonSet: string
}

/** Machines that are not in the cluster and that pods may reach. Names end with a dot, so that no search list applies. */
export interface ExternalTargets {
  readonly target: string
  readonly otherTarget: string
  readonly ip: string
  readonly otherIp: string
  readonly ipv6: string
  readonly otherIpv6: string
  /** the names above have IPv6 addresses, too */
  readonly targetHasIpv6: boolean
  /** the targets speak TLS on port 443 */
  readonly tls: boolean
}
