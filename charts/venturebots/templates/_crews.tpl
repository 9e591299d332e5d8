{{/*
Refuses a cluster that does not know crews: what would be made of them is not there, and
the operator could do nothing.
*/}}
{{- define "venturebots.needsCrews" -}}
{{- if not (or .Values.crews.assumeDefined (.Capabilities.APIVersions.Has "crew.venturebots.dev/v1alpha1/Crew")) }}
{{- fail "the cluster does not know crew.venturebots.dev/v1alpha1: run `helm upgrade --install venturebots-crds charts/venturebots-crds --namespace venturebots-crds --create-namespace` first, once per cluster; where charts are only rendered, add --api-versions crew.venturebots.dev/v1alpha1/Crew; or set global.operator.enabled to false" }}
{{- end }}
{{- end }}

{{/* A custom resource with the labels of the release: (list root object). */}}
{{- define "venturebots.crewResource" -}}
{{- $root := index . 0 }}{{- $object := index . 1 }}
{{- $_ := set $object.metadata "labels" (include "vb-common.labels" $root | fromYaml) }}
{{- if $root.Values.crews.keep }}
{{- $_ := set $object.metadata "annotations" (dict "helm.sh/resource-policy" "keep") }}
{{- end }}
{{- toYaml $object }}
{{- end }}
