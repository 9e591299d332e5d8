{{/* What is this service's own about its pods; see vb-common.deployment. */}}
{{- define "api-gateway.app" -}}
ports:
  http: 8000
  metrics: 9090
probes:
  # A migration may take its time: alive from the beginning, ready after it.
  startupProbe:
    httpGet: {path: /healthz, port: metrics}
    periodSeconds: 1
    failureThreshold: 120
  livenessProbe:
    httpGet: {path: /healthz, port: metrics}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  readinessProbe:
    httpGet: {path: /readyz, port: http}
    periodSeconds: 2
    timeoutSeconds: 3
config: {{ include "api-gateway.environment" . | quote }}
tokens: [orchestrator]
volumes:
  - name: database
    persistentVolumeClaim:
      claimName: {{ include "api-gateway.claim" . }}
  {{- if .Values.backup.enabled }}
  # To be read at most. A class that waits for a first pod binds it at once, and where
  # the database is; `helm --wait` waits for both.
  - name: backups
    persistentVolumeClaim:
      claimName: {{ include "api-gateway.backupClaim" . }}
  {{- end }}
mounts:
  - name: database
    mountPath: /data
  {{- if .Values.backup.enabled }}
  - name: backups
    mountPath: /backups
    readOnly: true
  {{- end }}
# One process has the database: the old pod ends before the new one starts, and
# every second it lingers is one without a gateway.
strategy:
  type: Recreate
preStopSeconds: 0
graceSeconds: 30
{{- end }}

{{- define "api-gateway.environment" -}}
{{- include "vb-common.settings" (dict "prefix" "VB_GATEWAY_" "settings" .Values.settings) }}
VB_GATEWAY_DATABASE_PATH: /data/venturebots.db
VB_GATEWAY_ORCHESTRATOR_ADDRESSES: {{ include "api-gateway.orchestrator" . | quote }}
VB_GATEWAY_ORCHESTRATOR_TOKEN_FILE: /run/secrets/orchestrator-token/token
{{- with .Values.global.externalUrl }}
VB_GATEWAY_EXTERNAL_URL: {{ . | quote }}
{{- end }}
{{- include "vb-common.tracing" . }}
{{- end }}

{{/* A name for all the pods behind it; the gateway resolves it again and again. */}}
{{- define "api-gateway.orchestrator" -}}
{{- include "vb-common.nameOf" (list . "orchestrator") }}:50051
{{- end }}

{{- define "api-gateway.claim" -}}
{{- .Values.persistence.existingClaim | default (include "vb-common.nameOf" (list . "api-gateway-data")) }}
{{- end }}

{{/* Who may reach it, and what it may reach. */}}
{{- define "api-gateway.edges" -}}
from-ingress-controllers:
  ingress:
    {{- include "vb-common.peersRule" (list "from" .Values.global.networkPolicy.ingressControllers 8000) | nindent 4 }}
from-chat-test:
  ingress:
    {{- include "vb-common.siblingRule" (list . "from" "chat-test" 8000) | nindent 4 }}
to-orchestrator:
  egress:
    {{- include "vb-common.siblingRule" (list . "to" "orchestrator" 50051) | nindent 4 }}
to-dns:
  egress:
    {{- include "vb-common.dnsRule" . | nindent 4 }}
{{ include "vb-common.sideEdges" (list . 9090) }}
{{- end }}
