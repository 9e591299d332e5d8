{{/* An account without a token: pods that talk to the API server ask for theirs. */}}
{{- define "vb-common.serviceAccount" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "vb-common.fullname" . }}
  labels:
    {{- include "vb-common.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- end }}

{{/* A Service: (list root ports isHeadless); ports are name → number, as in the pod. */}}
{{- define "vb-common.service" -}}
{{- $root := index . 0 -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "vb-common.fullname" $root }}
  labels:
    {{- include "vb-common.labels" $root | nindent 4 }}
  {{- with $root.Values.serviceAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if index . 2 }}
  clusterIP: None
  {{- else }}
  type: ClusterIP
  {{- end }}
  selector:
    {{- include "vb-common.selectorLabels" $root | nindent 4 }}
  ports:
    {{- range $name, $number := index . 1 }}
    - name: {{ $name }}
      port: {{ $number }}
      targetPort: {{ $name }}
      {{- if eq $name "grpc" }}
      appProtocol: kubernetes.io/h2c
      {{- end }}
    {{- end }}
{{- end }}

{{/* What a drain may take; a pod that is not ready holds nothing up. */}}
{{- define "vb-common.podDisruptionBudget" -}}
{{- if .Values.podDisruptionBudget.enabled -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "vb-common.fullname" . }}
  labels:
    {{- include "vb-common.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .Values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "vb-common.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* More pods when CPU is short; then no `replicas` are rendered. */}}
{{- define "vb-common.horizontalPodAutoscaler" -}}
{{- with .Values.autoscaling }}
{{- if .enabled -}}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "%s.autoscaling.minReplicas is %d, above maxReplicas, which is %d" $.Chart.Name (int .minReplicas) (int .maxReplicas)) }}
{{- end -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "vb-common.fullname" $ }}
  labels:
    {{- include "vb-common.labels" $ | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "vb-common.fullname" $ }}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target:
          type: Utilization
          averageUtilization: {{ .targetCpuPercent }}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: {{ .scaleDownAfterSeconds }}
{{- end }}
{{- end }}
{{- end }}

{{/* Only where the Prometheus operator's API is there. */}}
{{- define "vb-common.serviceMonitor" -}}
{{- if and .Values.serviceMonitor.enabled (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1") -}}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "vb-common.fullname" . }}
  labels:
    {{- include "vb-common.labels" . | nindent 4 }}
    {{- with .Values.serviceMonitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "vb-common.selectorLabels" . | nindent 6 }}
  endpoints:
    - port: metrics
      interval: {{ .Values.serviceMonitor.interval }}
{{- end }}
{{- end }}
