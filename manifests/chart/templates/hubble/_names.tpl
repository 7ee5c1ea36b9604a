{{- /* Does the operator make the certificates? "true" or "false". */ -}}
{{- define "cilium.hubbleMakesCertificates" -}}
{{- with .Values.hubble -}}
{{- and .enabled .tls.enabled .tls.auto.enabled (ne .tls.auto.method "certmanager") | toString -}}
{{- end -}}
{{- end -}}

{{- /* Are flows counted? "true" or "false". */ -}}
{{- define "cilium.hubbleMetrics" -}}
{{- with .Values.hubble -}}
{{- if and .enabled (or .metrics.enabled .metrics.dynamic.enabled) -}}true{{- else -}}false{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Has the cluster a relay? "true" or "false". */ -}}
{{- define "cilium.hubbleRelay" -}}
{{- and .Values.hubble.enabled .Values.hubble.relay.enabled | toString -}}
{{- end -}}

{{- /* Configuration file of the relay. */ -}}
{{- define "cilium.hubbleRelayConfig" -}}
cluster-name: {{ .Values.cluster.name | quote }}
{{- $tls := .Values.hubble.tls.enabled }}
peer-service: {{ printf "hubble-peer.%s.svc.%s.:%d" .Release.Namespace .Values.hubble.peerService.clusterDomain (ternary 443 80 $tls) | quote }}
{{- with .Values.hubble.relay }}
listen-address: {{ printf ":%d" (.listenPort | int) | quote }}
health-listen-address: ":4222"
{{- if .prometheus.enabled }}
metrics-listen-address: {{ printf ":%d" (.prometheus.port | int) | quote }}
{{- end }}
{{- if .retryTimeout }}
retry-timeout: {{ .retryTimeout | quote }}
{{- end }}
{{- if .sortBufferLenMax }}
sort-buffer-len-max: {{ .sortBufferLenMax | int }}
{{- end }}
{{- if .sortBufferDrainTimeout }}
sort-buffer-drain-timeout: {{ .sortBufferDrainTimeout | quote }}
{{- end }}
{{- if $tls }}
tls-hubble-client-cert-file: /var/lib/hubble-relay/tls/client.crt
tls-hubble-client-key-file: /var/lib/hubble-relay/tls/client.key
tls-hubble-server-ca-files: /var/lib/hubble-relay/tls/hubble-server-ca.crt
{{- else }}
disable-client-tls: true
{{- end }}
{{- if .tls.server.enabled }}
tls-relay-server-cert-file: /var/lib/hubble-relay/tls/server.crt
tls-relay-server-key-file: /var/lib/hubble-relay/tls/server.key
{{- if .tls.server.mtls }}
tls-relay-client-ca-files: /var/lib/hubble-relay/tls/server-ca.crt
{{- end }}
{{- else }}
disable-server-tls: true
{{- end }}
{{- end }}
{{- end -}}
