{{/*
The pod of a job on the database: (dict "root" root "name" name "args" args
"isBesideGateway" bool). A volume that one node has at a time is with the gateway.
*/}}
{{- define "api-gateway.maintenancePod" -}}
{{- $root := .root }}{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "vb-common.labelsOf" (list $root .name) | nindent 4 }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  serviceAccountName: {{ include "vb-common.fullname" $root }}
  {{- with include "vb-common.imagePullSecrets" $root }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- include "vb-common.podSecurityContext" $root | nindent 4 }}
  {{- if .isBesideGateway }}
  affinity:
    podAffinity:
      requiredDuringSchedulingIgnoredDuringExecution:
        - topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "vb-common.selectorLabels" $root | nindent 14 }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .name }}
      image: {{ include "vb-common.imageOf" (list $root $values.image) }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      command: [python, -m, services.api_gateway]
      args:
        {{- toYaml .args | nindent 8 }}
      env:
        - name: VB_GATEWAY_DATABASE_PATH
          value: /data/venturebots.db
      resources:
        {{- toYaml $values.backup.resources | nindent 8 }}
      securityContext:
        {{- include "vb-common.containerSecurityContext" true | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        - name: database
          mountPath: /data
        - name: backups
          mountPath: /backups
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: {{ $values.tmpSizeLimit }}
    - name: database
      persistentVolumeClaim:
        claimName: {{ include "api-gateway.claim" $root }}
    - name: backups
      persistentVolumeClaim:
        claimName: {{ include "api-gateway.backupClaim" $root }}
{{- end }}

{{- define "api-gateway.backupClaim" -}}
{{- .Values.backup.persistence.existingClaim | default (include "vb-common.nameOf" (list . "api-gateway-backups")) }}
{{- end }}
