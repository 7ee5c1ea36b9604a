{{- /* The keys of ConfigMap cilium-config that the values make, as a YAML map of strings. */ -}}
{{- define "cilium.config" -}}
{{- with .Values -}}
# basics
debug: {{ .debug.enabled | quote }}
cluster-name: {{ .cluster.name | quote }}
cluster-id: {{ .cluster.id | int | quote }}
{{- if .kubeConfigPath }}
k8s-kubeconfig-path: {{ .kubeConfigPath | quote }}
{{- end }}
{{- with .logOptions }}
{{- $options := list }}
{{- if .format }}
{{- $options = append $options (printf "format=%s" .format) }}
{{- end }}
{{- if .level }}
{{- $options = append $options (printf "level=%s" .level) }}
{{- end }}
{{- if $options }}
log-opt: {{ join "," $options | quote }}
{{- end }}
{{- end }}
state-dir: {{ .daemon.runPath | quote }}
enable-source-ip-verification: {{ .daemon.enableSourceIPVerification | quote }}
annotate-k8s-node: {{ .annotateK8sNode | quote }}
agent-health-port: {{ .healthPort | int | quote }}
cluster-health-port: {{ .clusterHealthPort | int | quote }}
enable-health-checking: {{ .healthChecking | quote }}
enable-endpoint-health-checking: {{ .endpointHealthChecking.enabled | quote }}
agent-not-ready-taint-key: {{ .agentNotReadyTaintKey | quote }}
{{- if not .securityContext.privileged }}
procfs: /host/proc
{{- end }}
# identities
identity-allocation-mode: {{ .identityAllocationMode | quote }}
{{- if .labels }}
labels: {{ .labels | quote }}
{{- end }}
{{- if .nodeLabels }}
node-labels: {{ .nodeLabels | quote }}
{{- end }}
enable-node-selector-labels: {{ .nodeSelectorLabels | quote }}
{{- if .identityChangeGracePeriod }}
identity-change-grace-period: {{ .identityChangeGracePeriod | quote }}
{{- end }}
enable-policy: {{ .policyEnforcementMode | quote }}
policy-audit-mode: {{ .policyAuditMode | quote }}
policy-deny-response: {{ .policyDenyResponse | quote }}
enable-host-firewall: {{ .hostFirewall.enabled | quote }}
{{- if not .hostFirewall.failsafe }}
host-firewall-failsafe: "false"
{{- end }}
{{- if .policyCIDRMatchMode }}
policy-cidr-match-mode: {{ join " " .policyCIDRMatchMode | quote }}
{{- end }}
enable-k8s-networkpolicy: {{ .k8sNetworkPolicy.enabled | quote }}
# addresses and routes
enable-ipv4: {{ .ipv4.enabled | quote }}
enable-ipv6: {{ .ipv6.enabled | quote }}
routing-mode: {{ default "tunnel" .routingMode | quote }}
tunnel-protocol: {{ default "vxlan" .tunnelProtocol | quote }}
{{- if .tunnelPort }}
tunnel-port: {{ .tunnelPort | int | quote }}
{{- end }}
underlay-protocol: {{ default "auto" .underlayProtocol | quote }}
auto-direct-node-routes: {{ .autoDirectNodeRoutes | quote }}
direct-routing-skip-unreachable: {{ .directRoutingSkipUnreachable | quote }}
{{- if .ipv4NativeRoutingCIDR }}
ipv4-native-routing-cidr: {{ .ipv4NativeRoutingCIDR | quote }}
{{- end }}
{{- if .ipv6NativeRoutingCIDR }}
ipv6-native-routing-cidr: {{ .ipv6NativeRoutingCIDR | quote }}
{{- end }}
enable-endpoint-routes: {{ .endpointRoutes.enabled | quote }}
{{- if .MTU }}
mtu: {{ .MTU | int | quote }}
{{- end }}
{{- with include "cilium.words" .devices | fromYamlArray }}
devices: {{ join " " . | quote }}
{{- end }}
force-device-detection: {{ .forceDeviceDetection | quote }}
enable-ipv4-masquerade: {{ include "cilium.masqueradeIPv4" $ | quote }}
enable-ipv6-masquerade: {{ .enableIPv6Masquerade | quote }}
enable-masquerade-to-route-source: {{ .enableMasqueradeRouteSource | quote }}
enable-bpf-masquerade: "true"
{{- with include "cilium.words" .egressMasqueradeInterfaces | fromYamlArray }}
egress-masquerade-interfaces: {{ join "," . | quote }}
{{- end }}
enable-pmtu-discovery: {{ .pmtuDiscovery.enabled | quote }}
# address management
ipam: {{ .ipam.mode | quote }}
{{- if eq .ipam.mode "cluster-pool" }}
{{- with .ipam.operator }}
{{- if $.Values.ipv4.enabled }}
cluster-pool-ipv4-cidr: {{ include "cilium.words" .clusterPoolIPv4PodCIDRList | fromYamlArray | join " " | quote }}
cluster-pool-ipv4-mask-size: {{ .clusterPoolIPv4MaskSize | int | quote }}
{{- end }}
{{- if $.Values.ipv6.enabled }}
cluster-pool-ipv6-cidr: {{ include "cilium.words" .clusterPoolIPv6PodCIDRList | fromYamlArray | join " " | quote }}
cluster-pool-ipv6-mask-size: {{ .clusterPoolIPv6MaskSize | int | quote }}
{{- end }}
{{- end }}
{{- end }}
# datapath
{{- with .bpf }}
bpf-root: {{ .root | quote }}
bpf-map-dynamic-size-ratio: {{ kindIs "invalid" .mapDynamicSizeRatio | ternary "0.0025" (toString .mapDynamicSizeRatio) | quote }}
{{- if .ctTcpMax }}
bpf-ct-global-tcp-max: {{ .ctTcpMax | int | quote }}
{{- end }}
{{- if .ctAnyMax }}
bpf-ct-global-any-max: {{ .ctAnyMax | int | quote }}
{{- end }}
enable-host-legacy-routing: {{ kindIs "invalid" .hostLegacyRouting | ternary false .hostLegacyRouting | quote }}
datapath-mode: {{ .datapathMode | quote }}
enable-tcx: {{ .enableTCX | quote }}
monitor-aggregation: {{ eq .monitorAggregation "max" | ternary "maximum" .monitorAggregation | quote }}
monitor-aggregation-interval: {{ .monitorInterval | quote }}
monitor-aggregation-flags: {{ .monitorFlags | quote }}
bpf-events-drop-enabled: {{ .events.drop.enabled | quote }}
bpf-events-policy-verdict-enabled: {{ .events.policyVerdict.enabled | quote }}
bpf-events-trace-enabled: {{ .events.trace.enabled | quote }}
{{- if .events.payloadBytes }}
trace-payloadlen: {{ .events.payloadBytes | int | quote }}
{{- end }}
{{- end }}
cgroup-root: {{ .cgroup.hostRoot | quote }}
# services
kube-proxy-replacement: {{ .kubeProxyReplacement | default false | toString | quote }}
{{- if .kubeProxyReplacementHealthzBindAddr }}
kube-proxy-replacement-healthz-bind-address: {{ .kubeProxyReplacementHealthzBindAddr | quote }}
{{- end }}
nat-map-stats-interval: {{ .nat.mapStatsInterval | quote }}
bpf-lb-sock: {{ .socketLB.enabled | quote }}
trace-sock: {{ .socketLB.tracing | quote }}
{{- if .socketLB.hostNamespaceOnly }}
bpf-lb-sock-hostns-only: "true"
{{- end }}
bpf-lb-sock-terminate-pod-connections: {{ .socketLB.terminatePodConnections | quote }}
node-port-bind-protection: {{ .nodePort.bindProtection | quote }}
{{- with .loadBalancer }}
{{- if .algorithm }}
bpf-lb-algorithm: {{ .algorithm | quote }}
{{- end }}
{{- if .mode }}
bpf-lb-mode: {{ .mode | quote }}
{{- end }}
{{- if .acceleration }}
bpf-lb-acceleration: {{ .acceleration | quote }}
{{- end }}
{{- if .dsrDispatch }}
bpf-lb-dsr-dispatch: {{ .dsrDispatch | quote }}
{{- end }}
{{- end }}
{{- with .maglev }}
{{- if .tableSize }}
bpf-lb-maglev-table-size: {{ .tableSize | int | quote }}
{{- end }}
{{- if .hashSeed }}
bpf-lb-maglev-hash-seed: {{ .hashSeed | quote }}
{{- end }}
{{- end }}
{{- if .bpf.lbAlgorithmAnnotation }}
bpf-lb-algorithm-annotation: "true"
{{- end }}
{{- if .bpf.lbModeAnnotation }}
bpf-lb-mode-annotation: "true"
{{- end }}
{{- with .nodePort }}
{{- if .range }}
node-port-range: {{ .range | quote }}
{{- end }}
{{- if .addresses }}
nodeport-addresses: {{ join "," .addresses | quote }}
{{- end }}
enable-health-check-nodeport: {{ .enableHealthCheck | quote }}
{{- if .directRoutingDevice }}
direct-routing-device: {{ .directRoutingDevice | quote }}
{{- end }}
{{- end }}
{{- with .bpf }}
bpf-lb-map-max: {{ .lbMapMax | int | quote }}
bpf-lb-external-clusterip: {{ .lbExternalClusterIP | quote }}
bpf-lb-source-range-all-types: {{ .lbSourceRangeAllTypes | quote }}
{{- end }}
enable-service-topology: {{ .loadBalancer.serviceTopology | quote }}
enable-sctp: {{ .sctp.enabled | quote }}
{{- if .k8s.serviceProxyName }}
k8s-service-proxy-name: {{ .k8s.serviceProxyName | quote }}
{{- end }}
enable-lb-ipam: {{ .enableLBIPAM | quote }}
default-lb-service-ipam: {{ .defaultLBServiceIPAM | quote }}
{{- with .l2announcements }}
enable-l2-announcements: {{ .enabled | quote }}
{{- if .leaseDuration }}
l2-announcements-lease-duration: {{ .leaseDuration | quote }}
{{- end }}
{{- if .leaseRenewDeadline }}
l2-announcements-renew-deadline: {{ .leaseRenewDeadline | quote }}
{{- end }}
{{- if .leaseRetryPeriod }}
l2-announcements-retry-period: {{ .leaseRetryPeriod | quote }}
{{- end }}
{{- end }}
{{- with .localRedirectPolicies }}
enable-local-redirect-policy: {{ .enabled | quote }}
{{- if .addressMatcherCIDRs }}
lrp-address-matcher-cidrs: {{ join " " .addressMatcherCIDRs | quote }}
{{- end }}
{{- end }}
enable-ip-masq-agent: {{ .ipMasqAgent.enabled | quote }}
# CNI
{{- with .cni }}
custom-cni-conf: {{ .customConf | quote }}
{{- if and .install (not .customConf) }}
write-cni-conf-when-ready: /host/etc/cni/net.d/05-cilium.conflist
{{- end }}
cni-exclusive: {{ .exclusive | quote }}
cni-uninstall: {{ .uninstall | quote }}
cni-chaining-mode: {{ default "none" .chainingMode | quote }}
cni-log-file: {{ .logFile | quote }}
{{- end }}
# flows and metrics
enable-hubble: {{ .hubble.enabled | quote }}
{{- with .hubble }}
{{- if .enabled }}
hubble-socket-path: {{ .socketPath | quote }}
{{- if .listenAddress }}
hubble-listen-address: {{ .listenAddress | quote }}
{{- end }}
{{- if .eventBufferCapacity }}
hubble-event-buffer-capacity: {{ .eventBufferCapacity | int | quote }}
{{- end }}
{{- if .memoryBudget }}
hubble-memory-budget: {{ .memoryBudget | quote }}
{{- end }}
{{- with include "cilium.words" .metrics.enabled | fromYamlArray }}
hubble-metrics: {{ join " " . | quote }}
{{- end }}
{{- if eq (include "cilium.hubbleMetrics" $) "true" }}
{{- with .metrics }}
hubble-metrics-server: {{ printf ":%d" (.port | int) | quote }}
enable-hubble-open-metrics: {{ .enableOpenMetrics | quote }}
{{- if .tls.enabled }}
hubble-metrics-server-enable-tls: "true"
hubble-metrics-server-tls-cert-file: /var/lib/cilium/tls/hubble-metrics/server.crt
hubble-metrics-server-tls-key-file: /var/lib/cilium/tls/hubble-metrics/server.key
{{- if .tls.server.mtls.enabled }}
hubble-metrics-server-tls-client-ca-files: /var/lib/cilium/tls/hubble-metrics/client-ca.crt
{{- end }}
{{- end }}
{{- if .dynamic.enabled }}
hubble-dynamic-metrics-config-path: /dynamic-metrics-config/dynamic-metrics.yaml
{{- end }}
{{- end }}
{{- end }}
{{- with .dropEventEmitter }}
{{- if .enabled }}
hubble-drop-events: "true"
hubble-drop-events-interval: {{ .interval | quote }}
hubble-drop-events-reasons: {{ join " " .reasons | quote }}
{{- end }}
{{- end }}
{{- with .export.static }}
{{- if .enabled }}
hubble-export-file-path: {{ .filePath | quote }}
hubble-export-file-max-size-mb: {{ .fileMaxSizeMb | int | quote }}
hubble-export-file-max-backups: {{ .fileMaxBackups | int | quote }}
hubble-export-file-compress: {{ .fileCompress | quote }}
{{- if .fieldMask }}
hubble-export-fieldmask: {{ join " " .fieldMask | quote }}
{{- end }}
{{- if .allowList }}
hubble-export-allowlist: {{ join " " .allowList | quote }}
{{- end }}
{{- if .denyList }}
hubble-export-denylist: {{ join " " .denyList | quote }}
{{- end }}
{{- if .fieldAggregate }}
hubble-export-fieldaggregate: {{ join " " .fieldAggregate | quote }}
hubble-export-aggregation-interval: {{ .aggregationInterval | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if .export.dynamic.enabled }}
hubble-flowlogs-config-path: /flowlog-config/flowlogs.yaml
{{- end }}
{{- with .export.otlp }}
{{- if .enabled }}
hubble-export-otlp-endpoint: {{ .endpoint | quote }}
hubble-export-otlp-signals: {{ join " " .signals | quote }}
hubble-export-otlp-tls: {{ .tls.enabled | quote }}
{{- if .secretName }}
hubble-export-otlp-secret-path: /var/lib/cilium/otlp
{{- end }}
{{- if .allowList }}
hubble-export-otlp-allowlist: {{ join " " .allowList | quote }}
{{- end }}
{{- if .denyList }}
hubble-export-otlp-denylist: {{ join " " .denyList | quote }}
{{- end }}
{{- if .fieldAggregate }}
hubble-export-otlp-fieldaggregate: {{ join " " .fieldAggregate | quote }}
hubble-export-otlp-aggregation-interval: {{ .aggregationInterval | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- with .redact }}
{{- if .enabled }}
hubble-redact-enabled: "true"
hubble-redact-http-urlquery: {{ .http.urlQuery | quote }}
hubble-redact-http-userinfo: {{ .http.userInfo | quote }}
{{- if .http.headers.allow }}
hubble-redact-http-headers-allow: {{ join " " .http.headers.allow | quote }}
{{- end }}
{{- if .http.headers.deny }}
hubble-redact-http-headers-deny: {{ join " " .http.headers.deny | quote }}
{{- end }}
hubble-redact-kafka-apikey: {{ .kafka.apiKey | quote }}
{{- end }}
{{- end }}
hubble-prefer-ipv6: {{ .preferIpv6 | quote }}
hubble-disable-tls: {{ not .tls.enabled | quote }}
{{- if .tls.enabled }}
hubble-tls-cert-file: /var/lib/cilium/tls/hubble/server.crt
hubble-tls-key-file: /var/lib/cilium/tls/hubble/server.key
hubble-tls-client-ca-files: /var/lib/cilium/tls/hubble/client-ca.crt
{{- if and .tls.auto.enabled (ne .tls.auto.method "certmanager") }}
hubble-tls-auto: "true"
hubble-tls-auto-validity-days: {{ .tls.auto.certValidityDuration | int | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- if .prometheus.enabled }}
prometheus-serve-addr: {{ printf ":%d" (.prometheus.port | int) | quote }}
{{- end }}
{{- if .prometheus.metrics }}
metrics: {{ join " " .prometheus.metrics | quote }}
{{- end }}
# operator
{{- with .operator }}
{{- if .prometheus.enabled }}
enable-metrics: "true"
operator-prometheus-serve-addr: {{ printf ":%d" (.prometheus.port | int) | quote }}
{{- end }}
operator-api-serve-addr: {{ $.Values.ipv4.enabled | ternary "127.0.0.1:9234" "[::1]:9234" | quote }}
identity-gc-interval: {{ .identityGCInterval | quote }}
identity-heartbeat-timeout: {{ .identityHeartbeatTimeout | quote }}
cilium-endpoint-gc-interval: {{ .endpointGCInterval | quote }}
nodes-gc-interval: {{ .nodeGCInterval | quote }}
{{- with .unmanagedPodWatcher }}
unmanaged-pod-watcher-interval: {{ .restart | ternary (printf "%ds" (.intervalSeconds | int)) "0" | quote }}
{{- if .selector }}
pod-restart-selector: {{ join "," (include "cilium.words" .selector | fromYamlArray) | quote }}
{{- end }}
{{- end }}
skip-crd-creation: {{ .skipCRDCreation | quote }}
remove-cilium-node-taints: {{ .removeNodeTaints | quote }}
set-cilium-node-taints: {{ kindIs "invalid" .setNodeTaints | ternary .removeNodeTaints .setNodeTaints | quote }}
set-cilium-is-up-condition: {{ .setNodeNetworkStatus | quote }}
{{- end }}
{{- end }}
{{- end -}}
