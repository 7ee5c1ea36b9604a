{{- /* Names of the custom resource definitions that the operator registers and keeps up to date. */ -}}
{{- define "cilium.crds" -}}
- ciliumcidrgroups.cilium.io
- ciliumclusterwidenetworkpolicies.cilium.io
- ciliumendpoints.cilium.io
- ciliumidentities.cilium.io
- ciliuml2announcementpolicies.cilium.io
- ciliumloadbalancerippools.cilium.io
- ciliumlocalredirectpolicies.cilium.io
- ciliumnetworkpolicies.cilium.io
- ciliumnodeconfigs.cilium.io
- ciliumnodes.cilium.io
{{- end -}}
