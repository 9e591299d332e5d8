{{/* What is this service's own about its pods; see vb-common.deployment. */}}
{{- define "operator.app" -}}
ports:
  grpc: 50052
  metrics: 9092
probes:
  startupProbe:
    httpGet: {path: /livez, port: metrics}
    periodSeconds: 1
    failureThreshold: 60
  # Not alive any more when it hears no more of the API server.
  livenessProbe:
    httpGet: {path: /livez, port: metrics}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 3
  # One that stands by is ready too.
  readinessProbe:
    httpGet: {path: /readyz, port: metrics}
    periodSeconds: 2
    timeoutSeconds: 3
config: {{ include "operator.environment" . | quote }}
tokens: [operator]
callsApiServer: true
strategy:
  type: RollingUpdate
  rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
graceSeconds: 30
{{- end }}

{{- define "operator.environment" -}}
{{- include "vb-common.settings" (dict "prefix" "VB_OPERATOR_" "settings" .Values.settings) }}
VB_OPERATOR_TOKEN_FILE: /run/secrets/operator-token/token
VB_OPERATOR_NAMESPACE: {{ .Release.Namespace }}
{{- with include "operator.namespaces" . }}
VB_OPERATOR_WATCH_NAMESPACES: {{ . | quote }}
{{- end }}
VB_OPERATOR_LEASE_NAME: {{ include "vb-common.fullname" . }}
VB_OPERATOR_FLEET_SERVICE: {{ include "vb-common.nameOf" (list . "orchestrator") }}
VB_OPERATOR_BOOTSTRAP_CONFIG_MAP: {{ include "vb-common.nameOf" (list . "crew-bootstrap") }}
{{- if .Values.global.credentials }}
VB_OPERATOR_CREDENTIALS: {{ include "vb-common.credentials" . | quote }}
{{- end }}
{{- end }}

{{/* Whose crews are served besides the release's namespace, by commas; `*` are all. */}}
{{- define "operator.namespaces" -}}
{{- if and .Values.clusterScope.enabled .Values.watchNamespaces }}
{{- fail "operator.clusterScope.enabled is true, which serves all namespaces: leave operator.watchNamespaces empty" }}
{{- end }}
{{- ternary "*" (join "," .Values.watchNamespaces) .Values.clusterScope.enabled }}
{{- end }}

{{/* Who may reach it, and what it may reach. */}}
{{- define "operator.edges" -}}
from-orchestrator:
  ingress:
    {{- include "vb-common.siblingRule" (list . "from" "orchestrator" 50052) | nindent 4 }}
to-dns:
  egress:
    {{- include "vb-common.dnsRule" . | nindent 4 }}
to-api-server:
  egress:
    - {{ with .Values.apiServer.networks }}to:
        {{- range . }}
        - ipBlock: {cidr: {{ . | quote }}}
        {{- end }}
      {{ end }}ports:
        {{- range .Values.apiServer.ports }}
        - {port: {{ . }}, protocol: TCP}
        {{- end }}
{{ include "vb-common.metricsEdge" (list . 9092) }}
{{- end }}
