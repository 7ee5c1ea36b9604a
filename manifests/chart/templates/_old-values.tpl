{{- /*
Spellings of earlier years. `to` is the value's path today, `list` makes a list of one of it; `values` maps what was
written to what is written today. A path that is still in use keeps every value that the map does not name.
*/ -}}
{{- define "cilium.oldValues" -}}
- {old: tunnel, values: {vxlan: {routingMode: tunnel, tunnelProtocol: vxlan}, geneve: {routingMode: tunnel, tunnelProtocol: geneve}, disabled: {routingMode: native}}}
- {old: datapath.mode, values: {vxlan: {routingMode: tunnel, tunnelProtocol: vxlan}, geneve: {routingMode: tunnel, tunnelProtocol: geneve}, native: {routingMode: native}}}
- {old: kubeProxyReplacement, inUse: true, values: {strict: {kubeProxyReplacement: "true"}, partial: {kubeProxyReplacement: "false"}, probe: {kubeProxyReplacement: "false"}, disabled: {kubeProxyReplacement: "false"}}}
- {old: ipam.mode, inUse: true, values: {clusterPool: {ipam.mode: cluster-pool}}}
- {old: hostServices.enabled, to: socketLB.enabled}
- {old: policyEnforcement, to: policyEnforcementMode}
- {old: ipam.operator.clusterPoolIPv4PodCIDR, to: ipam.operator.clusterPoolIPv4PodCIDRList, list: true}
- {old: ipam.operator.clusterPoolIPv6PodCIDR, to: ipam.operator.clusterPoolIPv6PodCIDRList, list: true}
- {old: nativeRoutingCIDR, to: ipv4NativeRoutingCIDR}
- {old: enableHostPort, to: hostPort.enabled}
- {old: localRedirectPolicy, to: localRedirectPolicies.enabled}
{{- end }}
