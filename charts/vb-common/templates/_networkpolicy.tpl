{{/*
The NetworkPolicies of one kind of pods: nothing in, nothing out, and one policy
per edge that is allowed. (dict "root" root "name" "orchestrator" "edges" edges),
where edges maps a name to `ingress` or `egress` rules.
*/}}
{{- define "vb-common.networkPolicies" -}}
{{- $root := .root }}{{- $name := .name }}
{{- if $root.Values.global.networkPolicy.enabled }}
{{- $all := merge (dict "deny-all" (dict)) .edges }}
{{- range $edge, $rules := $all }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "vb-common.nameOf" (list $root (printf "%s-%s" $name $edge)) }}
  labels:
    {{- include "vb-common.labelsOf" (list $root $name) | nindent 4 }}
spec:
  podSelector:
    matchLabels:
      {{- include "vb-common.selectorOf" (list $root $name) | nindent 6 }}
  {{- if eq $edge "deny-all" }}
  policyTypes: [Ingress, Egress]
  {{- else if $rules.ingress }}
  policyTypes: [Ingress]
  ingress:
    {{- toYaml $rules.ingress | nindent 4 }}
  {{- else }}
  policyTypes: [Egress]
  egress:
    {{- toYaml $rules.egress | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Questions to the cluster's DNS. */}}
{{- define "vb-common.dnsRule" -}}
- to:
    {{- toYaml .Values.global.networkPolicy.dnsServers | nindent 4 }}
  ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
{{- end }}

{{/* One port to or from the pods of a sibling: (list root "to" "orchestrator" port). */}}
{{- define "vb-common.siblingRule" -}}
- {{ index . 1 }}:
    - podSelector:
        matchLabels:
          {{- include "vb-common.selectorOf" (list (index . 0) (index . 2)) | nindent 10 }}
  ports:
    - {port: {{ index . 3 }}, protocol: TCP}
{{- end }}

{{/* One port to or from peers; no peers are everybody: (list "from" peers port). */}}
{{- define "vb-common.peersRule" -}}
- {{ with index . 1 }}{{ index $ 0 }}:
    {{- toYaml . | nindent 4 }}
  {{ end }}ports:
    - {port: {{ index . 2 }}, protocol: TCP}
{{- end }}

{{/* The edge every pod with metrics has: (list root port). */}}
{{- define "vb-common.metricsEdge" -}}
{{- $root := index . 0 }}
{{- with $root.Values.global.networkPolicy.metricsClients }}
from-metrics-clients:
  ingress:
    {{- include "vb-common.peersRule" (list "from" . (index $ 1)) | nindent 4 }}
{{- end }}
{{- end }}

{{/* The edges every pod with metrics and traces has: (list root port). */}}
{{- define "vb-common.sideEdges" -}}
{{- $root := index . 0 }}
{{- include "vb-common.metricsEdge" . }}
{{- with $root.Values.global.tracing }}
{{- if .endpoint }}
to-trace-collector:
  egress:
    {{- include "vb-common.peersRule" (list "to" .collectors (include "vb-common.tracingPort" $root)) | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{/* The port of global.tracing.endpoint. */}}
{{- define "vb-common.tracingPort" -}}
{{- regexFind ":[0-9]+" (urlParse .Values.global.tracing.endpoint).host | trimPrefix ":" | default "4317" }}
{{- end }}
