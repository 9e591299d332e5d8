{{/* What is this service's own about its pods; see vb-common.deployment. */}}
{{- define "frontend.app" -}}
ports:
  http: 8080
probes:
  startupProbe:
    httpGet: {path: /healthz, port: http}
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    tcpSocket: {port: http}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  readinessProbe:
    httpGet: {path: /healthz, port: http}
    periodSeconds: 5
    timeoutSeconds: 3
strategy:
  type: RollingUpdate
  rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
preStopSeconds: {{ .Values.preStopSeconds }}
graceSeconds: {{ add .Values.preStopSeconds 15 }}
{{- end }}

{{/* It answers, and asks nobody. */}}
{{- define "frontend.edges" -}}
from-ingress-controllers:
  ingress:
    {{- include "vb-common.peersRule" (list "from" .Values.global.networkPolicy.ingressControllers 8080) | nindent 4 }}
{{- end }}
