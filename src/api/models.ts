/**
 * What travels over the agent's socket (/var/run/cilium/cilium.sock, base path /v1) and the health socket, as JSON.
 * Names and shapes are those that existing tools read. An optional field is left out when empty, zero or false, so a
 * reader takes absent as that; a list marked `| null` is always written, and null reads as empty. An error body is a
 * bare JSON string.
 */

/** UTC time such as 2026-01-05T10:00:00.000Z; 0001-01-01T00:00:00.000Z means never. */
export type Timestamp = string

/** Go's form of a duration: 1m0s, 350ms. */
export type GoDuration = string

// status ----------------------------------------------------------------------------------------------

export interface StatusResponse {
  readonly 'attach-mode'?: AttachMode | undefined
  readonly 'auth-certificate-provider'?: Status | undefined
  readonly 'bandwidth-manager'?: BandwidthManager | undefined
  readonly 'bpf-maps'?: BPFMapStatus | undefined
  readonly cilium?: Status | undefined
  readonly 'client-id'?: number | undefined
  readonly 'clock-source'?: ClockSource | undefined
  readonly cluster?: ClusterStatus | undefined
  readonly 'cluster-mesh'?: ClusterMeshStatus | undefined
  readonly 'cni-chaining'?: CNIChainingStatus | undefined
  readonly 'cni-file'?: Status | undefined
  readonly 'configured-datapath-mode'?: ConfiguredDatapathMode | undefined
  readonly controllers?: ControllerStatuses | undefined
  readonly 'datapath-mode'?: DatapathMode | undefined
  readonly encryption?: EncryptionStatus | undefined
  readonly 'host-firewall'?: HostFirewall | undefined
  readonly hubble?: HubbleStatus | undefined
  readonly 'hubble-metrics'?: HubbleMetricsStatus | undefined
  readonly 'identity-range'?: IdentityRange | undefined
  readonly ipam?: IPAMStatus | undefined
  readonly 'ipv4-big-tcp'?: IPV4BigTCP | undefined
  readonly 'ipv6-big-tcp'?: IPV6BigTCP | undefined
  readonly 'kube-proxy-replacement'?: KubeProxyReplacement | undefined
  readonly kubernetes?: K8sStatus | undefined
  readonly kvstore?: Status | undefined
  readonly masquerading?: Masquerading | undefined
  readonly nodeMonitor?: MonitorStatus | undefined
  readonly kernel?: KernelSummary | undefined
  readonly 'program-generation'?: ProgramGeneration | undefined
  readonly proxy?: ProxyStatus | undefined
  readonly routing?: Routing | undefined
  readonly srv6?: Srv6 | undefined
  readonly stale?: Readonly<Record<string, Timestamp>> | undefined
}

export interface Status {
  readonly msg?: string | undefined
  readonly state?: 'Ok' | 'Warning' | 'Failure' | 'Disabled' | undefined
  /** ours: when the state became what it is */
  readonly since?: Timestamp | undefined
}

export interface K8sStatus {
  readonly 'k8s-api-versions': readonly string[] | null
  readonly msg?: string | undefined
  readonly state?: 'Ok' | 'Warning' | 'Failure' | 'Disabled' | undefined
  /** ours: when the state became what it is */
  readonly since?: Timestamp | undefined
}

/** ours: what the node's kernel is, and which features were tried and not found */
export interface KernelSummary {
  readonly release: string
  readonly missing: readonly string[]
}

/** ours: which generation of the eBPF programs this node runs */
export interface ProgramGeneration {
  readonly generation: number
  /** version of the software whose objects are loaded */
  readonly version?: string | undefined
  /** when its links were switched on */
  readonly since?: Timestamp | undefined
}

export interface ClusterStatus {
  readonly ciliumHealth?: Status | undefined
  readonly nodes: readonly NodeElement[] | null
  readonly self?: string | undefined
}

export interface NodeElement {
  readonly 'health-endpoint-address'?: NodeAddressing | undefined
  readonly 'ingress-address'?: NodeAddressing | undefined
  readonly name?: string | undefined
  readonly 'primary-address'?: NodeAddressing | undefined
  readonly 'secondary-addresses': readonly NodeAddressingElement[] | null
  readonly source?: string | undefined
}

export interface NodeAddressing {
  readonly ipv4?: NodeAddressingElement | undefined
  readonly ipv6?: NodeAddressingElement | undefined
}

export interface NodeAddressingElement {
  readonly 'address-type'?: string | undefined
  readonly 'alloc-range'?: string | undefined
  readonly enabled?: boolean | undefined
  readonly ip?: string | undefined
}

export interface ClusterNodeStatus {
  readonly 'client-id'?: number | undefined
  readonly 'nodes-added': readonly NodeElement[] | null
  readonly 'nodes-removed': readonly NodeElement[] | null
  readonly self?: string | undefined
}

export interface IPAMStatus {
  readonly allocations?: AllocationMap | undefined
  readonly ipv4: readonly string[] | null
  readonly ipv6: readonly string[] | null
  readonly status?: string | undefined
}

export type AllocationMap = Readonly<Record<string, string>>

export interface MonitorStatus {
  readonly cpus?: number | undefined
  readonly lost?: number | undefined
  readonly npages?: number | undefined
  readonly pagesize?: number | undefined
  readonly unknown?: number | undefined
}

export interface CNIChainingStatus {
  readonly mode?: 'none' | 'aws-cni' | 'flannel' | 'generic-veth' | 'portmap' | undefined
}

export interface Routing {
  readonly 'inter-host-routing-mode'?: 'Native' | 'Tunnel' | undefined
  readonly 'intra-host-routing-mode'?: 'BPF' | 'Legacy' | undefined
  readonly 'tunnel-protocol'?: string | undefined
}

export interface Masquerading {
  readonly enabled?: boolean | undefined
  readonly enabledProtocols?: MasqProtocols | undefined
  readonly 'ip-masq-agent'?: boolean | undefined
  readonly mode?: 'BPF' | 'iptables' | undefined
  readonly 'snat-exclusion-cidr'?: string | undefined
  readonly 'snat-exclusion-cidr-v4'?: string | undefined
  readonly 'snat-exclusion-cidr-v6'?: string | undefined
}

export interface MasqProtocols {
  readonly ipv4?: boolean | undefined
  readonly ipv6?: boolean | undefined
}

export interface KubeProxyReplacement {
  readonly deviceList: readonly KPRDevice[] | null
  readonly devices: readonly string[] | null
  readonly directRoutingDevice?: string | undefined
  readonly features?: KPR | undefined
  readonly mode?: 'True' | 'False' | undefined
}

export interface KPRDevice {
  readonly ip: readonly string[] | null
  readonly name?: string | undefined
}

export interface KPR {
  readonly annotations: readonly string[] | null
  readonly bpfSocketLBHostnsOnly?: boolean | undefined
  readonly externalIPs?: KPRExternalIPs | undefined
  readonly gracefulTermination?: KPRGracefulTermination | undefined
  readonly hostPort?: KPRHostPort | undefined
  readonly hostReachableServices?: KPRHostReachableServices | undefined
  readonly nat46X64?: KPRNat46X64 | undefined
  readonly nodePort?: KPRNodePort | undefined
  readonly sessionAffinity?: KPRSessionAffinity | undefined
  readonly socketLB?: KPRSocketLB | undefined
  readonly socketLBTracing?: KPRSocketLBTracing | undefined
}

export interface KPRNodePort {
  readonly acceleration?: 'Disabled' | 'None' | 'Native' | 'Generic' | 'Best-Effort' | undefined
  readonly algorithm?: 'Random' | 'Maglev' | undefined
  readonly dsrMode?: 'IP Option/Extension' | 'IPIP' | 'Geneve' | undefined
  readonly enabled?: boolean | undefined
  readonly lutSize?: number | undefined
  readonly mode?: 'SNAT' | 'DSR' | 'Hybrid' | undefined
  readonly portMax?: number | undefined
  readonly portMin?: number | undefined
}

export interface KPRHostPort {
  readonly enabled?: boolean | undefined
}

export interface KPRExternalIPs {
  readonly enabled?: boolean | undefined
}

export interface KPRSocketLB {
  readonly enabled?: boolean | undefined
}

export interface KPRSocketLBTracing {
  readonly enabled?: boolean | undefined
}

export interface KPRSessionAffinity {
  readonly enabled?: boolean | undefined
}

export interface KPRGracefulTermination {
  readonly enabled?: boolean | undefined
}

export interface KPRHostReachableServices {
  readonly enabled?: boolean | undefined
  readonly protocols: readonly string[] | null
}

export interface KPRNat46X64 {
  readonly enabled?: boolean | undefined
  readonly gateway?: KPRNat46X64Gateway | undefined
  readonly service?: KPRNat46X64Service | undefined
}

export interface KPRNat46X64Gateway {
  readonly enabled?: boolean | undefined
  readonly prefixes: readonly string[] | null
}

export interface KPRNat46X64Service {
  readonly enabled?: boolean | undefined
}

export interface HostFirewall {
  readonly devices: readonly string[] | null
  readonly mode?: 'Disabled' | 'Enabled' | undefined
  /** ours: `returned` means that the newest host policies cut the node off and are not in force */
  readonly 'policy-phase'?: 'confirmed' | 'trial' | 'returned' | undefined
  readonly 'policy-trial-until'?: string | undefined
}

export interface BandwidthManager {
  readonly congestionControl?: 'cubic' | 'bbr' | undefined
  readonly devices: readonly string[] | null
  readonly enabled?: boolean | undefined
}

export interface IPV4BigTCP {
  readonly enabled?: boolean | undefined
  readonly maxGRO?: number | undefined
  readonly maxGSO?: number | undefined
}

export interface IPV6BigTCP {
  readonly enabled?: boolean | undefined
  readonly maxGRO?: number | undefined
  readonly maxGSO?: number | undefined
}

export interface Srv6 {
  readonly enabled?: boolean | undefined
  readonly srv6EncapMode?: 'SRH' | 'Reduced' | undefined
}

export interface ClockSource {
  readonly hertz?: number | undefined
  readonly mode?: 'ktime' | 'jiffies' | undefined
}

export type AttachMode = 'tc' | 'tcx'

export type DatapathMode = 'veth' | 'netkit' | 'netkit-l2'

export type ConfiguredDatapathMode = 'auto' | 'veth' | 'netkit' | 'netkit-l2'

export interface BPFMapStatus {
  readonly 'dynamic-size-ratio'?: number | undefined
  readonly maps: readonly BPFMapProperties[] | null
}

export interface BPFMapProperties {
  readonly name?: string | undefined
  readonly size?: number | undefined
}

export interface IdentityRange {
  readonly 'max-identity'?: number | undefined
  readonly 'min-identity'?: number | undefined
}

export type ControllerStatuses = readonly ControllerStatus[]

export interface ControllerStatus {
  readonly configuration?: ControllerStatusConfiguration | undefined
  readonly name?: string | undefined
  readonly status?: ControllerStatusStatus | undefined
  readonly uuid?: string | undefined
}

export interface ControllerStatusConfiguration {
  readonly 'error-retry'?: boolean | undefined
  readonly 'error-retry-base'?: GoDuration | undefined
  readonly interval?: GoDuration | undefined
}

export interface ControllerStatusStatus {
  readonly 'consecutive-failure-count'?: number | undefined
  readonly 'failure-count'?: number | undefined
  readonly 'last-failure-msg'?: string | undefined
  readonly 'last-failure-timestamp'?: Timestamp | undefined
  readonly 'last-success-timestamp'?: Timestamp | undefined
  readonly 'success-count'?: number | undefined
}

export interface ProxyStatus {
  readonly 'envoy-deployment-mode'?: 'embedded' | 'external' | undefined
  readonly ip?: string | undefined
  readonly 'port-range'?: string | undefined
  readonly redirects: readonly ProxyRedirect[] | null
  readonly 'total-ports'?: number | undefined
  readonly 'total-redirects'?: number | undefined
}

export interface ProxyRedirect {
  readonly name?: string | undefined
  readonly proxy?: string | undefined
  readonly 'proxy-port'?: number | undefined
}

export interface HubbleStatus {
  readonly msg?: string | undefined
  readonly observer?: HubbleStatusObserver | undefined
  readonly state?: 'Ok' | 'Warning' | 'Failure' | 'Disabled' | undefined
}

export interface HubbleStatusObserver {
  readonly 'current-flows'?: number | undefined
  readonly 'max-flows'?: number | undefined
  readonly 'seen-flows'?: number | undefined
  readonly uptime?: GoDuration | undefined
}

export interface HubbleMetricsStatus {
  readonly msg?: string | undefined
  readonly state?: 'Ok' | 'Warning' | 'Failure' | 'Disabled' | undefined
}

export interface EncryptionStatus {
  readonly ipsec?: IPsecStatus | undefined
  readonly mode?: 'Disabled' | 'IPsec' | 'Wireguard' | 'Ztunnel' | undefined
  readonly msg?: string | undefined
  readonly wireguard?: WireguardStatus | undefined
}

export interface IPsecStatus {
  readonly 'decrypt-interfaces': readonly string[] | null
  readonly 'error-count'?: number | undefined
  readonly 'keys-in-use'?: number | undefined
  readonly 'max-seq-number'?: string | undefined
  readonly 'xfrm-errors'?: Readonly<Record<string, number>> | undefined
}

export interface WireguardStatus {
  readonly interfaces: readonly WireguardInterface[] | null
  readonly 'node-encrypt-opt-out-labels'?: string | undefined
  readonly 'node-encryption'?: string | undefined
}

export interface WireguardInterface {
  readonly 'listen-port'?: number | undefined
  readonly name?: string | undefined
  readonly 'peer-count'?: number | undefined
  readonly peers: readonly WireguardPeer[] | null
  readonly 'public-key'?: string | undefined
}

export interface WireguardPeer {
  readonly 'allowed-ips': readonly string[] | null
  readonly endpoint?: string | undefined
  readonly 'last-handshake-time'?: Timestamp | undefined
  readonly 'public-key'?: string | undefined
  readonly 'transfer-rx'?: number | undefined
  readonly 'transfer-tx'?: number | undefined
}

export interface ClusterMeshStatus {
  readonly clusters: readonly RemoteCluster[] | null
}

export interface RemoteCluster {
  readonly config?: RemoteClusterConfig | undefined
  readonly connected?: boolean | undefined
  readonly 'last-failure'?: Timestamp | undefined
  readonly name?: string | undefined
  readonly 'num-endpoint-slices'?: number | undefined
  readonly 'num-endpoints'?: number | undefined
  readonly 'num-failures'?: number | undefined
  readonly 'num-identities'?: number | undefined
  readonly 'num-nodes'?: number | undefined
  readonly 'num-service-exports'?: number | undefined
  readonly 'num-shared-services'?: number | undefined
  readonly ready?: boolean | undefined
  readonly status?: string | undefined
  readonly synced?: RemoteClusterSynced | undefined
}

export interface RemoteClusterConfig {
  readonly 'cluster-id'?: number | undefined
  readonly 'endpoint-slices-export-mode'?: 'services-and-endpointslices' | 'endpointslices-only' | undefined
  readonly kvstoremesh?: boolean | undefined
  readonly required?: boolean | undefined
  readonly retrieved?: boolean | undefined
  /** absent, true and false differ */
  readonly 'service-exports-enabled'?: boolean | null | undefined
  readonly 'sync-canaries'?: boolean | undefined
}

export interface RemoteClusterSynced {
  /** absent, true and false differ */
  readonly 'endpoint-slices'?: boolean | null | undefined
  readonly endpoints?: boolean | undefined
  readonly identities?: boolean | undefined
  readonly nodes?: boolean | undefined
  /** absent, true and false differ */
  readonly 'service-exports'?: boolean | null | undefined
  readonly services?: boolean | undefined
}

// endpoints -------------------------------------------------------------------------------------------

export interface Endpoint {
  readonly id?: number | undefined
  readonly spec?: EndpointConfigurationSpec | undefined
  readonly status?: EndpointStatus | undefined
}

export interface EndpointStatus {
  readonly controllers?: ControllerStatuses | undefined
  readonly 'external-identifiers'?: EndpointIdentifiers | undefined
  readonly health?: EndpointHealth | undefined
  readonly identity?: Identity | undefined
  readonly labels?: LabelConfigurationStatus | undefined
  readonly log?: EndpointStatusLog | undefined
  readonly namedPorts?: NamedPorts | undefined
  readonly networking?: EndpointNetworking | undefined
  readonly policy?: EndpointPolicyStatus | undefined
  readonly realized?: EndpointConfigurationSpec | undefined
  readonly state: EndpointState
}

export type EndpointState =
  | 'waiting-for-identity'
  | 'not-ready'
  | 'waiting-to-regenerate'
  | 'regenerating'
  | 'restoring'
  | 'ready'
  | 'disconnecting'
  | 'disconnected'
  | 'invalid'

export interface EndpointConfigurationSpec {
  readonly 'label-configuration'?: LabelConfigurationSpec | undefined
  readonly options?: ConfigurationMap | undefined
}

export interface EndpointConfigurationStatus {
  readonly error?: string | undefined
  readonly immutable?: ConfigurationMap | undefined
  readonly realized?: EndpointConfigurationSpec | undefined
}

export interface EndpointIdentifiers {
  readonly 'cni-attachment-id'?: string | undefined
  readonly 'container-id'?: string | undefined
  readonly 'container-name'?: string | undefined
  readonly 'docker-endpoint-id'?: string | undefined
  readonly 'docker-network-id'?: string | undefined
  readonly 'k8s-namespace'?: string | undefined
  readonly 'k8s-pod-name'?: string | undefined
  readonly 'pod-name'?: string | undefined
}

export interface EndpointNetworking {
  readonly addressing: readonly AddressPair[] | null
  readonly 'container-interface-name'?: string | undefined
  readonly 'host-addressing'?: NodeAddressing | undefined
  readonly 'host-mac'?: string | undefined
  readonly 'interface-index'?: number | undefined
  readonly 'interface-name'?: string | undefined
  readonly mac?: string | undefined
}

export interface AddressPair {
  readonly ipv4?: string | undefined
  readonly 'ipv4-expiration-uuid'?: string | undefined
  readonly 'ipv4-pool-name'?: string | undefined
  readonly ipv6?: string | undefined
  readonly 'ipv6-expiration-uuid'?: string | undefined
  readonly 'ipv6-pool-name'?: string | undefined
}

export interface EndpointPolicyStatus {
  readonly 'proxy-policy-revision'?: number | undefined
  readonly 'proxy-statistics': readonly ProxyStatistics[] | null
  readonly realized?: EndpointPolicy | undefined
  readonly spec?: EndpointPolicy | undefined
}

export interface EndpointPolicy {
  readonly 'allowed-egress-identities': readonly number[] | null
  readonly 'allowed-ingress-identities': readonly number[] | null
  readonly build?: number | undefined
  readonly 'cidr-policy'?: CIDRPolicy | undefined
  readonly 'denied-egress-identities': readonly number[] | null
  readonly 'denied-ingress-identities': readonly number[] | null
  readonly id?: number | undefined
  readonly l4?: L4Policy | undefined
  readonly 'policy-enabled'?: EndpointPolicyEnabled | undefined
  readonly 'policy-revision'?: number | undefined
}

export type EndpointPolicyEnabled =
  | 'none'
  | 'ingress'
  | 'egress'
  | 'both'
  | 'audit-ingress'
  | 'audit-egress'
  | 'audit-both'

export interface L4Policy {
  readonly egress: readonly PolicyRule[] | null
  readonly ingress: readonly PolicyRule[] | null
}

export interface CIDRPolicy {
  readonly egress: readonly PolicyRule[] | null
  readonly ingress: readonly PolicyRule[] | null
}

export interface PolicyRule {
  readonly 'derived-from-rules': readonly (readonly string[])[] | null
  readonly rule?: string | undefined
  readonly 'rules-by-selector'?: readonly (readonly Readonly<Record<string, string>>[])[] | undefined
}

export interface ProxyStatistics {
  readonly 'allocated-proxy-port'?: number | undefined
  readonly location?: 'ingress' | 'egress' | undefined
  readonly port?: number | undefined
  readonly protocol?: string | undefined
  readonly statistics?: RequestResponseStatistics | undefined
}

export interface RequestResponseStatistics {
  readonly requests?: MessageForwardingStatistics | undefined
  readonly responses?: MessageForwardingStatistics | undefined
}

export interface MessageForwardingStatistics {
  readonly denied?: number | undefined
  readonly error?: number | undefined
  readonly forwarded?: number | undefined
  readonly received?: number | undefined
}

export interface EndpointHealth {
  readonly bpf?: EndpointHealthStatus | undefined
  readonly connected?: boolean | undefined
  readonly overallHealth?: EndpointHealthStatus | undefined
  readonly policy?: EndpointHealthStatus | undefined
}

export type EndpointHealthStatus = 'OK' | 'Bootstrap' | 'Pending' | 'Warning' | 'Failure' | 'Disabled'

export type EndpointStatusLog = readonly EndpointStatusChange[]

export interface EndpointStatusChange {
  readonly code?: 'ok' | 'failed' | undefined
  readonly message?: string | undefined
  readonly state?: EndpointState | undefined
  readonly timestamp?: string | undefined
}

export type NamedPorts = readonly Port[]

export interface Port {
  readonly name?: string | undefined
  readonly port?: number | undefined
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP' | 'ICMP' | 'ICMPV6' | 'ANY' | undefined
}

export interface LabelConfiguration {
  readonly spec?: LabelConfigurationSpec | undefined
  readonly status?: LabelConfigurationStatus | undefined
}

export interface LabelConfigurationSpec {
  readonly user?: Labels | undefined
}

export interface LabelConfigurationStatus {
  readonly derived?: Labels | undefined
  readonly disabled?: Labels | undefined
  readonly realized?: LabelConfigurationSpec | undefined
  readonly 'security-relevant'?: Labels | undefined
}

export type Labels = readonly string[]

// identities, policy, names ---------------------------------------------------------------------------

export interface Identity {
  readonly id?: number | undefined
  readonly labels?: Labels | undefined
  readonly labelsSHA256?: string | undefined
}

export interface IdentityEndpoints {
  readonly identity?: Identity | undefined
  readonly refCount?: number | undefined
}

export interface IPListEntry {
  readonly cidr: string
  readonly encryptKey?: number | undefined
  readonly hostIP?: string | undefined
  readonly identity: number
  readonly metadata?: IPListEntryMetadata | undefined
}

export interface IPListEntryMetadata {
  readonly name?: string | undefined
  readonly namespace?: string | undefined
  readonly source?: string | undefined
}

export interface SelectorIdentityMapping {
  readonly selector?: string | undefined
  readonly identities?: readonly number[] | undefined
  readonly users?: number | undefined
}

export interface Policy {
  readonly policy?: string | undefined
  readonly revision?: number | undefined
}

// services, addresses, maps ---------------------------------------------------------------------------

export interface Service {
  readonly spec?: ServiceSpec | undefined
  readonly status?: ServiceStatus | undefined
}

export interface ServiceSpec {
  readonly 'backend-addresses': readonly BackendAddress[] | null
  readonly flags?: ServiceSpecFlags | undefined
  readonly 'frontend-address': FrontendAddress
  readonly id?: number | undefined
  readonly updateServices?: boolean | undefined
}

export interface ServiceStatus {
  readonly realized?: ServiceSpec | undefined
}

export interface ServiceSpecFlags {
  readonly cluster?: string | undefined
  readonly extTrafficPolicy?: 'Cluster' | 'Local' | undefined
  readonly healthCheckNodePort?: number | undefined
  readonly intTrafficPolicy?: 'Cluster' | 'Local' | undefined
  readonly name?: string | undefined
  readonly namespace?: string | undefined
  readonly natPolicy?: 'None' | 'Nat46' | 'Nat64' | undefined
  readonly trafficPolicy?: 'Cluster' | 'Local' | undefined
  readonly type?: 'ClusterIP' | 'NodePort' | 'ExternalIPs' | 'HostPort' | 'LoadBalancer' | 'LocalRedirect' | undefined
}

export interface FrontendAddress {
  readonly ip?: string | undefined
  readonly port?: number | undefined
  readonly protocol?: 'tcp' | 'udp' | 'any' | undefined
  readonly scope?: 'external' | 'internal' | undefined
}

export interface BackendAddress {
  readonly ip: string
  readonly nodeName?: string | undefined
  readonly port?: number | undefined
  readonly preferred?: boolean | undefined
  readonly protocol?: string | undefined
  readonly state?: 'active' | 'terminating' | 'terminating-not-serving' | 'quarantined' | 'maintenance' | undefined
  /** absent, true and false differ */
  readonly weight?: number | null | undefined
  readonly zone?: string | undefined
}

export interface BPFMapList {
  readonly maps: readonly BPFMap[] | null
}

export interface BPFMap {
  readonly cache: readonly BPFMapEntry[] | null
  readonly path?: string | undefined
}

export interface BPFMapEntry {
  readonly 'desired-action'?: 'ok' | 'insert' | 'delete' | undefined
  readonly key?: string | undefined
  readonly 'last-error'?: string | undefined
  readonly value?: string | undefined
}

// configuration and debugging -------------------------------------------------------------------------

export interface DaemonConfiguration {
  readonly spec?: DaemonConfigurationSpec | undefined
  readonly status?: DaemonConfigurationStatus | undefined
}

export interface DaemonConfigurationSpec {
  readonly options?: ConfigurationMap | undefined
  readonly 'policy-enforcement'?: 'default' | 'always' | 'never' | undefined
}

export interface DaemonConfigurationStatus {
  readonly GROIPv4MaxSize?: number | undefined
  readonly GROMaxSize?: number | undefined
  readonly GSOIPv4MaxSize?: number | undefined
  readonly GSOMaxSize?: number | undefined
  readonly addressing?: NodeAddressing | undefined
  readonly configuredDatapathMode?: ConfiguredDatapathMode | undefined
  readonly daemonConfigurationMap?: Readonly<Record<string, unknown>> | undefined
  readonly datapathMode?: DatapathMode | undefined
  readonly deviceHeadroom?: number | undefined
  readonly deviceMTU?: number | undefined
  readonly deviceTailroom?: number | undefined
  readonly enableBBRHostNamespaceOnly?: boolean | undefined
  readonly enableRouteMTUForCNIChaining?: boolean | undefined
  readonly immutable?: ConfigurationMap | undefined
  readonly installUplinkRoutesForDelegatedIPAM?: boolean | undefined
  readonly ipLocalReservedPorts?: string | undefined
  readonly 'ipam-mode'?: string | undefined
  readonly 'k8s-configuration'?: string | undefined
  readonly 'k8s-endpoint'?: string | undefined
  readonly kvstoreConfiguration?: KVstoreConfiguration | undefined
  readonly masquerade?: boolean | undefined
  readonly masqueradeProtocols?: CfgMasqProtocols | undefined
  readonly nodeMonitor?: MonitorStatus | undefined
  readonly packetizationLayerPMTUDMode?: string | undefined
  readonly realized?: DaemonConfigurationSpec | undefined
  readonly routeMTU?: number | undefined
}

export interface CfgMasqProtocols {
  readonly ipv4?: boolean | undefined
  readonly ipv6?: boolean | undefined
}

export type ConfigurationMap = Readonly<Record<string, string>>

export interface KVstoreConfiguration {
  readonly options?: Readonly<Record<string, string>> | undefined
  readonly type?: string | undefined
}

export interface DebugInfo {
  readonly 'cilium-memory-map'?: string | undefined
  readonly 'cilium-nodemonitor-memory-map'?: string | undefined
  readonly 'cilium-status'?: StatusResponse | undefined
  readonly 'cilium-version'?: string | undefined
  readonly encryption?: DebugInfoEncryption | undefined
  readonly 'endpoint-list': readonly Endpoint[] | null
  readonly 'environment-variables': readonly string[] | null
  readonly 'kernel-version'?: string | undefined
  readonly policy?: Policy | undefined
  readonly 'service-list': readonly Service[] | null
  readonly subsystem?: Readonly<Record<string, string>> | undefined
}

export interface DebugInfoEncryption {
  readonly wireguard?: WireguardStatus | undefined
}

export interface Metric {
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly name?: string | undefined
  readonly value?: number | undefined
}

// node health -----------------------------------------------------------------------------------------

export interface HealthStatusResponse {
  readonly local?: SelfStatus | undefined
  readonly nodes: readonly NodeStatus[] | null
  readonly probeInterval?: string | undefined
  readonly timestamp?: string | undefined
}

export interface SelfStatus {
  readonly name?: string | undefined
}

export interface NodeStatus {
  readonly name?: string | undefined
  readonly host?: HostStatus | undefined
  readonly 'health-endpoint'?: HealthEndpointStatus | undefined
  /** old, = primary of health-endpoint */
  readonly endpoint?: PathStatus | undefined
}

export interface HostStatus {
  readonly 'primary-address'?: PathStatus | undefined
  readonly 'secondary-addresses': readonly PathStatus[] | null
}

export interface HealthEndpointStatus {
  readonly 'primary-address'?: PathStatus | undefined
  readonly 'secondary-addresses': readonly PathStatus[] | null
}

export interface PathStatus {
  readonly ip?: string | undefined
  readonly icmp?: ConnectivityStatus | undefined
  readonly http?: ConnectivityStatus | undefined
}

export interface ConnectivityStatus {
  /** ns */
  readonly latency?: number | undefined
  /** empty = reachable */
  readonly status?: string | undefined
  /** RFC 3339 */
  readonly lastProbed?: string | undefined
}

export interface LRPBackend {
  readonly 'backend-address': BackendAddress
  readonly 'pod-id'?: string
}

export interface FrontendMapping {
  readonly 'frontend-address'?: FrontendAddress
  readonly backends?: readonly LRPBackend[]
}

export interface LRPSpec {
  readonly name?: string
  readonly namespace?: string
  readonly uid?: string
  /** address or service */
  readonly 'lrp-type'?: string
  readonly 'frontend-type'?: string
  readonly 'service-id'?: string
  readonly 'frontend-mappings'?: readonly FrontendMapping[]
}
