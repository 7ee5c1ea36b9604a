{{- /* Checks that concern several values at once, which a schema cannot express. Fails with all findings. */ -}}
{{- define "cilium.validate" -}}
{{- $wrong := list -}}
{{- if not (or .Values.ipv4.enabled .Values.ipv6.enabled) -}}
  {{- $wrong = append $wrong "ipv4.enabled and ipv6.enabled are both false: pods need at least one family" -}}
{{- end -}}
{{- if not (has (.Values.kubeProxyReplacement | default false | toString) (list "true" "false")) -}}
  {{- $wrong = append $wrong "kubeProxyReplacement is true or false" -}}
{{- end -}}
{{- if eq .Values.routingMode "native" -}}
  {{- if and .Values.ipv4.enabled (eq (include "cilium.masqueradeIPv4" .) "true") (not .Values.ipv4NativeRoutingCIDR) -}}
    {{- $wrong = append $wrong "routingMode=native with IPv4 masquerade needs ipv4NativeRoutingCIDR, the CIDR that is routed without masquerade; or set enableIPv4Masquerade=false" -}}
  {{- end -}}
  {{- if and .Values.ipv6.enabled .Values.enableIPv6Masquerade (not .Values.ipv6NativeRoutingCIDR) -}}
    {{- $wrong = append $wrong "routingMode=native with IPv6 masquerade needs ipv6NativeRoutingCIDR, the CIDR that is routed without masquerade; or set enableIPv6Masquerade=false" -}}
  {{- end -}}
{{- else if .Values.autoDirectNodeRoutes -}}
  {{- $wrong = append $wrong "autoDirectNodeRoutes=true needs routingMode=native: in a tunnel there are no routes to pod CIDRs" -}}
{{- end -}}
{{- if and .Values.directRoutingSkipUnreachable (not .Values.autoDirectNodeRoutes) -}}
  {{- $wrong = append $wrong "directRoutingSkipUnreachable=true needs autoDirectNodeRoutes=true" -}}
{{- end -}}
{{- if and (ne (.Values.cluster.id | int) 0) (eq .Values.cluster.name "default") -}}
  {{- $wrong = append $wrong "cluster.id is set, so cluster.name has to be something other than default" -}}
{{- end -}}
{{- if and .Values.operator.setNodeTaints (not .Values.operator.removeNodeTaints) -}}
  {{- $wrong = append $wrong "operator.setNodeTaints=true with operator.removeNodeTaints=false would keep nodes tainted for ever" -}}
{{- end -}}
{{- if and .Values.hubble.export.otlp.enabled (not .Values.hubble.export.otlp.endpoint) -}}
  {{- $wrong = append $wrong "hubble.export.otlp.enabled=true needs hubble.export.otlp.endpoint, the address of the collector" -}}
{{- end -}}
{{- if and .Values.hubble.metrics.tls.enabled (not .Values.hubble.tls.enabled) (not .Values.hubble.metrics.tls.server.existingSecret) -}}
  {{- $wrong = append $wrong "hubble.metrics.tls.enabled=true needs hubble.tls.enabled=true, which makes the certificate, or a Secret with one: hubble.metrics.tls.server.existingSecret" -}}
{{- end -}}
{{- if and .Values.bpf.events.payloadBytes .Values.hubble.redact.enabled -}}
  {{- $wrong = append $wrong "bpf.events.payloadBytes and hubble.redact.enabled=true exclude each other: the bytes of packets would tell what is redacted" -}}
{{- end -}}
{{- if and .Values.hubble.redact.http.headers.allow .Values.hubble.redact.http.headers.deny -}}
  {{- $wrong = append $wrong "hubble.redact.http.headers.allow and hubble.redact.http.headers.deny exclude each other" -}}
{{- end -}}
{{- if and .Values.hubble.enabled .Values.hubble.ui.enabled (not .Values.hubble.relay.enabled) -}}
  {{- $wrong = append $wrong "hubble.ui.enabled=true needs hubble.relay.enabled=true: the page asks the relay" -}}
{{- end -}}
{{- if and .Values.k8sServiceHost (ne .Values.k8sServiceHost "auto") (not .Values.k8sServicePort) -}}
  {{- $wrong = append $wrong "k8sServiceHost needs k8sServicePort" -}}
{{- end -}}
{{- if and .Values.k8sServicePort (not .Values.k8sServiceHost) -}}
  {{- $wrong = append $wrong "k8sServicePort needs k8sServiceHost" -}}
{{- end -}}
{{- if eq .Values.ipam.mode "cluster-pool" -}}
  {{- $pool := .Values.ipam.operator -}}
  {{- if .Values.ipv4.enabled -}}
    {{- $wrong = concat $wrong (include "cilium.checkPool" (dict "list" $pool.clusterPoolIPv4PodCIDRList "mask" $pool.clusterPoolIPv4MaskSize "family" "IPv4") | fromYamlArray) -}}
  {{- end -}}
  {{- if .Values.ipv6.enabled -}}
    {{- $wrong = concat $wrong (include "cilium.checkPool" (dict "list" $pool.clusterPoolIPv6PodCIDRList "mask" $pool.clusterPoolIPv6MaskSize "family" "IPv6") | fromYamlArray) -}}
  {{- end -}}
{{- end -}}
{{- if $wrong -}}
  {{- fail (join "; " $wrong) -}}
{{- end -}}
{{- end -}}

{{- /* Findings about one family's pool, as a YAML list. */ -}}
{{- define "cilium.checkPool" -}}
{{- $wrong := list -}}
{{- $list := include "cilium.words" .list | fromYamlArray -}}
{{- if not $list -}}
  {{- $wrong = append $wrong (printf "ipam.operator.clusterPool%sPodCIDRList is empty, so nodes would get no %s addresses" .family .family) -}}
{{- end -}}
{{- range $list -}}
  {{- $parts := splitList "/" . -}}
  {{- if ne (len $parts) 2 -}}
    {{- $wrong = append $wrong (printf "ipam.operator.clusterPool%sPodCIDRList: %s is not a CIDR" $.family .) -}}
  {{- else if lt ($.mask | int) (last $parts | int) -}}
    {{- $wrong = append $wrong (printf "ipam.operator.clusterPool%sMaskSize=%d asks for more than %s holds" $.family ($.mask | int) .) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $wrong -}}
{{- end -}}

{{- /* A list, or a text with words separated by spaces or commas, as a YAML list. */ -}}
{{- define "cilium.words" -}}
{{- if kindIs "string" . -}}
  {{- $words := list -}}
  {{- range splitList " " (replace "," " " .) -}}
    {{- if . -}}
      {{- $words = append $words . -}}
    {{- end -}}
  {{- end -}}
  {{- toYaml $words -}}
{{- else -}}
  {{- toYaml (default list .) -}}
{{- end -}}
{{- end -}}
