{{/* A volume that outlives the release: (list root name persistence). */}}
{{- define "api-gateway.persistentVolumeClaim" -}}
{{- $root := index . 0 }}{{- $volume := index . 2 -}}
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ index . 1 }}
  labels:
    {{- include "vb-common.labels" $root | nindent 4 }}
  {{- if $volume.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
spec:
  accessModes: [{{ $volume.accessMode }}]
  {{- with $volume.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ $volume.size }}
{{- end }}
