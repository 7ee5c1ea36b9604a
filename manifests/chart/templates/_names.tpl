{{- /* Labels of every object. */ -}}
{{- define "cilium.labels" -}}
app.kubernetes.io/part-of: cilium
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The agent's image. */ -}}
{{- define "cilium.image" -}}
{{- with .Values.image -}}
{{- if .override -}}
{{ .override }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}{{ if and .useDigest .digest }}@{{ .digest }}{{ end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* The operator's image. */ -}}
{{- define "cilium.operatorImage" -}}
{{- $own := .Values.operator.image -}}
{{- if $own.override -}}
{{ $own.override }}
{{- else if or $own.repository $own.tag $own.digest -}}
{{ default .Values.image.repository $own.repository }}:{{ default (default .Chart.AppVersion .Values.image.tag) $own.tag }}{{ if and $own.useDigest $own.digest }}@{{ $own.digest }}{{ end }}
{{- else -}}
{{ include "cilium.image" . }}
{{- end -}}
{{- end -}}

{{- /* "true" or "false". */ -}}
{{- define "cilium.masqueradeIPv4" -}}
{{- kindIs "invalid" .Values.enableIPv4Masquerade | ternary true .Values.enableIPv4Masquerade | toString -}}
{{- end -}}

{{- /* Host and port of the API server as a YAML map, empty when pods find it by themselves. */ -}}
{{- define "cilium.apiServer" -}}
{{- if eq .Values.k8sServiceHost "auto" -}}
  {{- $info := lookup "v1" "ConfigMap" "kube-public" "cluster-info" -}}
  {{- if not $info -}}
    {{- fail "k8sServiceHost=auto needs ConfigMap cluster-info in namespace kube-public; set k8sServiceHost and k8sServicePort" -}}
  {{- end -}}
  {{- $url := (first (fromYaml $info.data.kubeconfig).clusters).cluster.server -}}
  {{- $address := trimSuffix "/" (trimPrefix "https://" $url) -}}
  {{- $port := last (splitList ":" $address) -}}
  {{- $host := trimSuffix "]" (trimPrefix "[" (trimSuffix (printf ":%s" $port) $address)) -}}
host: {{ $host | quote }}
port: {{ $port | quote }}
{{- else if .Values.k8sServiceHost -}}
host: {{ .Values.k8sServiceHost | quote }}
port: {{ kindIs "string" .Values.k8sServicePort | ternary .Values.k8sServicePort (.Values.k8sServicePort | int64) | toString | quote }}
{{- end -}}
{{- end -}}

{{- /* The two environment variables by which a pod finds the API server. */ -}}
{{- define "cilium.apiServerEnv" -}}
{{- with include "cilium.apiServer" . | fromYaml }}
- name: KUBERNETES_SERVICE_HOST
  value: {{ .host | quote }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ .port | quote }}
{{- end }}
{{- end -}}

{{- /* Loopback address of the enabled family, for probes. */ -}}
{{- define "cilium.loopback" -}}
{{- ternary "127.0.0.1" "::1" .Values.ipv4.enabled -}}
{{- end -}}

{{- /* Does anything work on sockets, so that cgroup2 is needed? "true" or empty. */ -}}
{{- define "cilium.socketPrograms" -}}
{{- if or .Values.socketLB.enabled (eq (toString .Values.kubeProxyReplacement) "true") -}}
true
{{- end -}}
{{- end -}}
