{{/*
The Deployment of a service: (list root app). `app` has the keys `ports` (name →
number), `probes`, `env` (besides the ConfigMap), `volumes`, `mounts`, `tokens`
("orchestrator", "operator": those it reads as files), `secrets` (names of others that
roll the pods), `config` (the ConfigMap's text), `strategy`, `preStopSeconds`,
`graceSeconds` and `callsApiServer`, without which there is no token of the cluster.
*/}}
{{- define "vb-common.deployment" -}}
{{- $root := index . 0 }}{{- $app := index . 1 }}
{{- $values := $root.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "vb-common.fullname" $root }}
  labels:
    {{- include "vb-common.labels" $root | nindent 4 }}
spec:
  {{- if not (dig "enabled" false ($values.autoscaling | default dict)) }}
  replicas: {{ $values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  selector:
    matchLabels:
      {{- include "vb-common.selectorLabels" $root | nindent 6 }}
  strategy:
    {{- toYaml $app.strategy | nindent 4 }}
  template:
    metadata:
      labels:
        {{- include "vb-common.labels" $root | nindent 8 }}
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with include "vb-common.podAnnotations" . | fromYaml }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      automountServiceAccountToken: {{ $app.callsApiServer | default false }}
      enableServiceLinks: false
      serviceAccountName: {{ include "vb-common.fullname" $root }}
      terminationGracePeriodSeconds: {{ $app.graceSeconds }}
      {{- with $values.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with include "vb-common.imagePullSecrets" $root }}
      {{- . | nindent 6 }}
      {{- end }}
      securityContext:
        {{- include "vb-common.podSecurityContext" $root | nindent 8 }}
      containers:
        - name: {{ $root.Chart.Name }}
          {{- include "vb-common.container" . | nindent 10 }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: {{ $values.tmpSizeLimit }}
        {{- range $app.tokens }}
        - {{- include "vb-common.tokenVolume" (list $root .) | nindent 10 }}
        {{- end }}
        {{- with concat ($app.volumes | default list) $values.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with include "vb-common.placement" $root }}
      {{- . | nindent 6 }}
      {{- end }}
{{- end }}

{{/* What rolls the pods when it changes, and the chart's own: (list root app). */}}
{{- define "vb-common.podAnnotations" -}}
{{- $root := index . 0 }}{{- $app := index . 1 }}
{{- with $app.config }}
checksum/config: {{ sha256sum . }}
{{- end }}
{{- if or $app.tokens $app.secrets }}
checksum/secrets: {{ include "vb-common.secretsChecksum" (list $root ($app.secrets | default list) ($app.tokens | default list)) }}
{{- end }}
{{- with $root.Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The service's container, but for its name: (list root app). */}}
{{- define "vb-common.container" -}}
{{- $root := index . 0 }}{{- $app := index . 1 }}
{{- $values := $root.Values -}}
image: {{ include "vb-common.imageOf" (list $root $values.image) }}
imagePullPolicy: {{ $values.image.pullPolicy }}
{{- with $values.command }}
command:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.args }}
args:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- range $name, $number := $app.ports }}
  - name: {{ $name }}
    containerPort: {{ $number }}
  {{- end }}
{{- if $app.config }}
envFrom:
  - configMapRef:
      name: {{ include "vb-common.fullname" $root }}
{{- end }}
{{- with concat ($app.env | default list) $values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- toYaml $app.probes | nindent 0 }}
{{- with $app.preStopSeconds }}
lifecycle:
  preStop:
    sleep:
      seconds: {{ . }}
{{- end }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
securityContext:
  {{- include "vb-common.containerSecurityContext" $values.readOnlyRootFilesystem | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- range $app.tokens }}
  - {{- include "vb-common.tokenMount" . | nindent 4 }}
  {{- end }}
  {{- with concat ($app.mounts | default list) $values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Where pods may be: spread over nodes and zones as far as there are some. */}}
{{- define "vb-common.placement" -}}
{{- if .Values.topologySpread -}}
topologySpreadConstraints:
{{- range .Values.topologySpread }}
  - topologyKey: {{ .topologyKey }}
    maxSkew: {{ .maxSkew }}
    whenUnsatisfiable: {{ .whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "vb-common.selectorLabels" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
{{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
