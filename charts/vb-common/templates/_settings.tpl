{{/*
Settings of a service as environment variables, one `NAME: "value"` per line:
(dict "prefix" "VB_GATEWAY_" "settings" map). Groups nest with `__`, lists are
joined by commas, and what is empty is left to the service's own default.
*/}}
{{- define "vb-common.settings" -}}
{{- $prefix := .prefix }}
{{- range $key, $value := .settings }}
{{- $name := printf "%s%s" $prefix ($key | snakecase | upper) }}
{{- if kindIs "map" $value }}
{{- include "vb-common.settings" (dict "prefix" (printf "%s__" $name) "settings" $value) }}
{{- else if kindIs "slice" $value }}
{{- with $value }}
{{ $name }}: {{ join "," . | quote }}
{{- end }}
{{- else if kindIs "string" $value }}
{{- with $value }}
{{ $name }}: {{ . | quote }}
{{- end }}
{{- else if not (kindIs "invalid" $value) }}
{{ $name }}: {{ toJson $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The ConfigMap of a chart's settings: (list root environment). */}}
{{- define "vb-common.configMap" -}}
{{- $root := index . 0 -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "vb-common.fullname" $root }}
  labels:
    {{- include "vb-common.labels" $root | nindent 4 }}
data:
  {{- index . 1 | trim | nindent 2 }}
{{- end }}

{{/* The Secret with a token, "orchestrator" or "operator": (list root token). */}}
{{- define "vb-common.tokenSecret" -}}
{{- $root := index . 0 }}{{- $name := printf "%sToken" (index . 1) }}
{{- $token := index $root.Values.global $name }}
{{- $use := ternary "the gateway shows the orchestrator" "orchestrators show the operator" (eq (index . 1) "orchestrator") }}
{{- if and $token.existingSecret $token.developmentToken }}
{{- fail (printf "global.%s: existingSecret and developmentToken are both set; unset developmentToken, which is for trying things out only" $name) }}
{{- else if $token.existingSecret }}
{{- $token.existingSecret }}
{{- else if $token.developmentToken }}
{{- include "vb-common.nameOf" (list $root (printf "%s-token" (index . 1))) }}
{{- else }}
{{- fail (printf "global.%s.existingSecret is empty: name a Secret whose key %q holds the token that %s, such as made by: kubectl create secret generic venturebots-%s-token --from-literal=%s=$(openssl rand -hex 32)" $name $token.key $use (index . 1) $token.key) }}
{{- end }}
{{- end }}

{{/* The Secret of a token to try things out with: (list root token). */}}
{{- define "vb-common.developmentToken" -}}
{{- $root := index . 0 }}
{{- $token := index $root.Values.global (printf "%sToken" (index . 1)) }}
{{- with $token.developmentToken -}}
apiVersion: v1
kind: Secret
metadata:
  name: {{ include "vb-common.tokenSecret" $ }}
  labels:
    {{- include "vb-common.labels" $root | nindent 4 }}
type: Opaque
data:
  {{ $token.key }}: {{ b64enc . }}
{{- end }}
{{- end }}

{{/* A token as a file, its volume: (list root token). */}}
{{- define "vb-common.tokenVolume" -}}
name: {{ index . 1 }}-token
secret:
  secretName: {{ include "vb-common.tokenSecret" . }}
  defaultMode: 0440
  items:
    - key: {{ (index (index . 0).Values.global (printf "%sToken" (index . 1))).key }}
      path: token
{{- end }}

{{/* Where a token is: /run/secrets/<token>-token/token; takes its name. */}}
{{- define "vb-common.tokenMount" -}}
name: {{ . }}-token
mountPath: /run/secrets/{{ . }}-token
readOnly: true
{{- end }}

{{/*
A digest of what Secrets hold: (list root names tokens), the latter "orchestrator" or
"operator". What cannot be seen, as when charts are only rendered, counts by its name.
*/}}
{{- define "vb-common.secretsChecksum" -}}
{{- $root := index . 0 }}{{- $names := index . 1 }}
{{- $seen := dict }}
{{- range index . 2 }}
{{- $token := index $root.Values.global (printf "%sToken" .) }}
{{- $names = append $names $token.existingSecret }}
{{- /* This one is made by the release itself: it is not there at first. */}}
{{- $_ := set $seen (printf "development %s" .) $token.developmentToken }}
{{- end }}
{{- range compact $names }}
{{- $found := lookup "v1" "Secret" $root.Release.Namespace . }}
{{- $_ := set $seen . (($found | default dict).data | default dict) }}
{{- end }}
{{- toJson $seen | sha256sum }}
{{- end }}

{{/* The keys that crews may use and where they may go, as the services read it: JSON. */}}
{{- define "vb-common.credentials" -}}
{{- $seen := dict }}
{{- range .Values.global.credentials }}
{{- $name := printf "%s/%s" .secret .key }}
{{- if hasKey $seen $name }}
{{- fail (printf "global.credentials names key %q of Secret %q twice: name it once, with all its allowedHosts" .key .secret) }}
{{- end }}
{{- $_ := set $seen $name true }}
{{- end }}
{{- toJson .Values.global.credentials }}
{{- end }}

{{/* Where traces go, when they go anywhere. */}}
{{- define "vb-common.tracing" -}}
{{- with .Values.global.tracing.endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ . | quote }}
{{- end }}
{{- end }}
