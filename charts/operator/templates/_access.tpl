{{/* What it may do with the crews of a namespace, or of all. */}}
{{- define "operator.crewRules" -}}
- apiGroups: [crew.venturebots.dev]
  resources: [agents, crewrevisions, crews, guardrailpolicies, modelproviders, tools]
  verbs: [get, list, watch]
# Annotations that ask for something are taken away once they were heeded.
- apiGroups: [crew.venturebots.dev]
  resources: [crews]
  verbs: [patch]
- apiGroups: [crew.venturebots.dev]
  resources: [agents/status, crews/status, guardrailpolicies/status, modelproviders/status, tools/status]
  verbs: [patch]
- apiGroups: [crew.venturebots.dev]
  resources: [crewrevisions]
  verbs: [create, delete]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/* What else it may do in its own namespace: by name, as far as there can be one. */}}
{{- define "operator.homeRules" -}}
{{- $bootstrap := include "vb-common.nameOf" (list . "crew-bootstrap") -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "vb-common.fullname" . }}]
  verbs: [get, update]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [{{ $bootstrap }}]
  verbs: [get, patch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
{{- $secrets := list }}
{{- range .Values.global.credentials }}{{ $secrets = append $secrets .secret }}{{ end }}
{{- with $secrets | uniq | sortAlpha }}
# Whether they are there and which version; a list would show all the others.
- apiGroups: [""]
  resources: [secrets]
  resourceNames: {{ toJson . }}
  verbs: [get]
{{- end }}
{{- end }}

{{/*
A Role and its binding to the operator's account: (dict "root" root "kind" "Role" "name"
name "namespace" namespace "rules" rules). A ClusterRole has no namespace.
*/}}
{{- define "operator.grant" -}}
{{- $root := .root -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "vb-common.labels" $root | nindent 4 }}
rules:
  {{- .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "vb-common.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "vb-common.fullname" $root }}
    namespace: {{ $root.Release.Namespace }}
{{- end }}

{{/* Names of what belongs to the whole cluster say which release of which namespace. */}}
{{- define "operator.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "vb-common.fullname" .) }}
{{- end }}
