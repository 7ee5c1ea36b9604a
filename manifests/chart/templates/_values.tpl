{{- /* Writes .value at the dotted .path below map .root, making the maps on the way. */ -}}
{{- define "cilium.put" -}}
{{- $at := .root -}}
{{- $parts := splitList "." .path -}}
{{- range initial $parts -}}
  {{- if not (and (hasKey $at .) (kindIs "map" (get $at .))) -}}
    {{- $_ := set $at . dict -}}
  {{- end -}}
  {{- $at = get $at . -}}
{{- end -}}
{{- $_ := set $at (last $parts) .value -}}
{{- end -}}

{{- /* Takes the dotted .path out of map .root. */ -}}
{{- define "cilium.drop" -}}
{{- $at := .root -}}
{{- $parts := splitList "." .path -}}
{{- range initial $parts -}}
  {{- $at = get $at . -}}
{{- end -}}
{{- $_ := unset $at (last $parts) -}}
{{- end -}}

{{- /* Looks up the dotted .path below map .root; writes `found` and `value` into map .into. Null counts as absent. */ -}}
{{- define "cilium.look" -}}
{{- $at := .root -}}
{{- $found := true -}}
{{- range splitList "." .path -}}
  {{- if and $found (kindIs "map" $at) -}}
    {{- if hasKey $at . -}}
      {{- $at = get $at . -}}
    {{- else -}}
      {{- $found = false -}}
    {{- end -}}
  {{- else -}}
    {{- $found = false -}}
  {{- end -}}
{{- end -}}
{{- if kindIs "invalid" $at -}}
  {{- $found = false -}}
{{- end -}}
{{- $_ := set .into "found" $found -}}
{{- $_ := set .into "value" $at -}}
{{- end -}}

{{- /* Rewrites old spellings in .Values to today's and notes what was rewritten in .Values.rewritten. */ -}}
{{- define "cilium.mapOldValues" -}}
{{- $notes := list -}}
{{- range $entry := include "cilium.oldValues" . | fromYamlArray -}}
  {{- $hit := dict -}}
  {{- include "cilium.look" (dict "root" $.Values "path" $entry.old "into" $hit) -}}
  {{- if $hit.found -}}
    {{- $today := dict -}}
    {{- if hasKey $entry "values" -}}
      {{- if hasKey $entry.values (toString $hit.value) -}}
        {{- $today = get $entry.values (toString $hit.value) -}}
      {{- else if not $entry.inUse -}}
        {{- fail (printf "%s=%s is an old spelling with no meaning today; the old one knew %s" $entry.old (toString $hit.value) (keys $entry.values | sortAlpha | join ", ")) -}}
      {{- end -}}
    {{- else if $entry.list -}}
      {{- $today = dict $entry.to (list $hit.value) -}}
    {{- else -}}
      {{- $today = dict $entry.to $hit.value -}}
    {{- end -}}
    {{- if $today -}}
      {{- include "cilium.drop" (dict "root" $.Values "path" $entry.old) -}}
      {{- $written := list -}}
      {{- range $path, $value := $today -}}
        {{- include "cilium.put" (dict "root" $.Values "path" $path "value" $value) -}}
        {{- $written = append $written (printf "%s=%s" $path (kindIs "slice" $value | ternary (toJson $value) (toString $value))) -}}
      {{- end -}}
      {{- $notes = append $notes (printf "%s=%s is written %s today" $entry.old (toString $hit.value) (join " " $written)) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $_ := set .Values "rewritten" $notes -}}
{{- end -}}

{{- /* Fails, naming each, when values ask for what this version does not offer. */ -}}
{{- define "cilium.refuseLater" -}}
{{- $refused := list -}}
{{- range $path, $accepted := include "cilium.later" . | fromYaml -}}
  {{- $hit := dict -}}
  {{- include "cilium.look" (dict "root" $.Values "path" $path "into" $hit) -}}
  {{- if $hit.found -}}
    {{- /* without a tunnel its protocol asks for nothing */ -}}
    {{- $harmless := and (eq $path "tunnelProtocol") (eq (toString $.Values.routingMode) "native") -}}
    {{- range $accepted -}}
      {{- if eq (toJson .) (toJson $hit.value) -}}
        {{- $harmless = true -}}
      {{- end -}}
    {{- end -}}
    {{- if not $harmless -}}
      {{- $asked := kindIs "string" $hit.value | ternary (toString $hit.value) (toJson $hit.value) -}}
      {{- $refused = append $refused (printf "%s=%s is not available in this version (%s)" $path $asked $.Chart.AppVersion) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if $refused -}}
  {{- fail (join "; " $refused) -}}
{{- end -}}
{{- end -}}

{{- /* Every template that makes objects begins with this: values in today's spelling, checked. Works once per rendering. */ -}}
{{- define "cilium.prepare" -}}
{{- if not (hasKey .Values "rewritten") -}}
  {{- include "cilium.mapOldValues" . -}}
  {{- include "cilium.refuseLater" . -}}
  {{- include "cilium.validate" . -}}
{{- end -}}
{{- end -}}
