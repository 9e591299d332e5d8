{{/* The name of a chart's objects: `<release>-<chart>`. */}}
{{- define "vb-common.fullname" -}}
{{- include "vb-common.nameOf" (list . .Chart.Name) }}
{{- end }}

{{/*
The name of a sibling: (list root "orchestrator"). Of Services and CronJobs it is
bounded, and names cut short would fall together: the release's is refused instead.
*/}}
{{- define "vb-common.nameOf" -}}
{{- $release := (index . 0).Release.Name }}
{{- if not (regexMatch "^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$" $release) }}
{{- fail (printf "the release's name, %q, begins names of Services and CronJobs: at most 32 lower-case letters, digits and hyphens, a letter first" $release) }}
{{- end }}
{{- printf "%s-%s" $release (index . 1) }}
{{- end }}

{{/* What selects the pods of one component: (list root "orchestrator"). */}}
{{- define "vb-common.selectorOf" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{/* What selects the chart's own pods. */}}
{{- define "vb-common.selectorLabels" -}}
{{- include "vb-common.selectorOf" (list . .Chart.Name) }}
{{- end }}

{{/* Labels of every object: (list root name). They never select. */}}
{{- define "vb-common.labelsOf" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name ($root.Chart.Version | replace "+" "_") }}
{{ include "vb-common.selectorOf" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/part-of: venturebots
{{- with $root.Values.global.extraLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of the chart's own objects. */}}
{{- define "vb-common.labels" -}}
{{- include "vb-common.labelsOf" (list . .Chart.Name) }}
{{- end }}

{{/* A digest, when there is one, says more than a tag: (list root image). */}}
{{- define "vb-common.imageOf" -}}
{{- $root := index . 0 }}{{- $image := index . 1 }}
{{- with $image.registry | default $root.Values.global.imageRegistry }}{{ . }}/{{ end }}
{{- $image.repository }}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Secrets that pods pull images with: those of the chart and the global ones. */}}
{{- define "vb-common.imagePullSecrets" -}}
{{- $names := concat .Values.global.imagePullSecrets (.Values.imagePullSecrets | default list) | uniq }}
{{- if $names -}}
imagePullSecrets:
{{- range $names }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}
