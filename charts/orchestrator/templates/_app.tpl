{{/* What is this service's own about its pods; see vb-common.deployment. */}}
{{- define "orchestrator.app" -}}
ports:
  grpc: 50051
  metrics: 9091
probes:
  # CrewAI takes seconds to import and to warm up; until then it is alive, not ready.
  startupProbe:
    grpc: {port: 50051, service: readiness}
    periodSeconds: 2
    timeoutSeconds: 3
    failureThreshold: 90
  livenessProbe:
    grpc: {port: 50051, service: liveness}
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  readinessProbe:
    grpc: {port: 50051, service: readiness}
    periodSeconds: 5
    timeoutSeconds: 3
config: {{ include "orchestrator.environment" . | quote }}
env:
  - name: VB_ORCHESTRATOR_TOKEN_FILE
    value: /run/secrets/orchestrator-token/token
  {{- if .Values.global.operator.enabled }}
  - name: VB_ORCHESTRATOR_NODE
    valueFrom:
      fieldRef: {fieldPath: metadata.name}
  {{- end }}
  {{- with .Values.modelKeys }}
  {{- range $variable, $key := .variables }}
  - name: {{ $variable }}
    valueFrom:
      secretKeyRef:
        name: {{ $.Values.modelKeys.existingSecret | required (printf "orchestrator.modelKeys.existingSecret is empty: name the Secret that holds %s" $variable) }}
        key: {{ $key }}
  {{- end }}
  {{- end }}
volumes:
  {{- if .Values.global.operator.enabled }}
  # What the crews were, for a start while the operator is away.
  - name: bootstrap
    configMap:
      name: {{ include "vb-common.nameOf" (list . "crew-bootstrap") }}
      optional: true
  - name: state
    emptyDir:
      sizeLimit: {{ .Values.stateSizeLimit }}
  {{- end }}
  {{- with .Values.global.credentials }}
  # A Secret that is not there yet is read when it is; no pod waits for it.
  - name: credentials
    projected:
      defaultMode: 0440
      sources:
        {{- range . }}
        - secret:
            name: {{ .secret }}
            optional: true
            items:
              - key: {{ .key }}
                path: {{ .secret }}/{{ .key }}
        {{- end }}
  {{- end }}
mounts:
  {{- if .Values.global.operator.enabled }}
  - name: bootstrap
    mountPath: /etc/venturebots/bootstrap
    readOnly: true
  - name: state
    mountPath: /var/lib/venturebots
  {{- end }}
  {{- with .Values.global.credentials }}
  - name: credentials
    mountPath: /var/run/venturebots/credentials
    readOnly: true
  {{- end }}
tokens:
  - orchestrator
  {{- if .Values.global.operator.enabled }}
  - operator
  {{- end }}
{{- with .Values.modelKeys.existingSecret }}
secrets:
  - {{ . }}
{{- end }}
strategy:
  type: RollingUpdate
  # The new one is ready before an old one is asked to end its runs.
  rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
preStopSeconds: {{ .Values.preStopSeconds }}
# After its grace: 5 s for watchers to read the last events, the rest to close.
graceSeconds: {{ add .Values.preStopSeconds (.Values.settings.drainGraceSeconds | ceil) 15 }}
{{- end }}

{{- define "orchestrator.environment" -}}
{{- include "vb-common.settings" (dict "prefix" "VB_ORCHESTRATOR_" "settings" .Values.settings) }}
{{- if .Values.global.operator.enabled }}
{{- include "orchestrator.refuseVariables" . }}
VB_ORCHESTRATOR_CREW_SOURCE_ADDRESS: {{ include "vb-common.nameOf" (list . "operator") }}.{{ .Release.Namespace }}.svc:50052
VB_ORCHESTRATOR_CREW_TOKEN_FILE: /run/secrets/operator-token/token
VB_ORCHESTRATOR_BOOTSTRAP_FILE: /etc/venturebots/bootstrap/update.json
VB_ORCHESTRATOR_STATE_DIRECTORY: /var/lib/venturebots
{{- end }}
{{- if .Values.global.credentials }}
VB_ORCHESTRATOR_CREDENTIALS: {{ include "vb-common.credentials" . | quote }}
{{- end }}
{{- with .Values.privateModels }}
{{- $networks := list }}
{{- range . }}{{ $networks = append $networks .network }}{{ end }}
VB_ORCHESTRATOR_MODEL_NETWORKS: {{ uniq $networks | join "," | quote }}
{{- end }}
{{- range $name, $value := .Values.modelVariables }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- include "vb-common.tracing" . }}
{{- end }}

{{/*
Variables are for the documents in the image: a custom resource may come from somebody
who must not read what this process has.
*/}}
{{- define "orchestrator.refuseVariables" -}}
{{- range $name, $held := dict "modelKeys.existingSecret" .Values.modelKeys.existingSecret "modelKeys.variables" .Values.modelKeys.variables "modelVariables" .Values.modelVariables }}
{{- if $held }}
{{- fail (printf "orchestrator.%s is for crews from files, and global.operator.enabled is true: declare keys in global.credentials, and let a ModelProvider (the value models) say the rest" $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Who may reach it, and what it may reach. */}}
{{- define "orchestrator.edges" -}}
from-gateway:
  ingress:
    {{- include "vb-common.siblingRule" (list . "from" "api-gateway" 50051) | nindent 4 }}
to-dns:
  egress:
    {{- include "vb-common.dnsRule" . | nindent 4 }}
{{- if .Values.global.operator.enabled }}
to-operator:
  egress:
    {{- include "vb-common.siblingRule" (list . "to" "operator" 50052) | nindent 4 }}
{{- end }}
{{- with .Values.publicModels }}
{{- if .enabled }}
to-public-models:
  egress:
    - to:
        - ipBlock:
            cidr: 0.0.0.0/0
            except:
              {{- toYaml (concat (include "orchestrator.notPublic" "4" | fromYamlArray) (include "orchestrator.ofFamily" (list "4" .exceptNetworks) | fromYamlArray)) | nindent 14 }}
        - ipBlock:
            cidr: 2000::/3
            except:
              {{- toYaml (concat (include "orchestrator.notPublic" "6" | fromYamlArray) (include "orchestrator.ofFamily" (list "6" .exceptNetworks) | fromYamlArray)) | nindent 14 }}
      ports:
        - {port: 443, protocol: TCP}
{{- end }}
{{- end }}
{{- range $index, $model := .Values.privateModels }}
to-private-model-{{ $index }}:
  egress:
    {{- $peers := $model.to | default (list (dict "ipBlock" (dict "cidr" $model.network))) }}
    {{- include "vb-common.peersRule" (list "to" $peers $model.port) | nindent 4 }}
{{- end }}
{{ include "vb-common.sideEdges" (list . 9091) }}
{{- end }}

{{/*
Ranges that are not the public internet, where clusters and clouds keep theirs; of
IPv6, within the only one that is, those that carry IPv4 addresses.
*/}}
{{- define "orchestrator.notPublic" -}}
{{- if eq . "4" -}}
["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3"]
{{- else -}}
["2001::/32", "2002::/16"]
{{- end }}
{{- end }}

{{/*
Those of some networks that are IPv4, or IPv6: (list "4" networks). Of the latter only
what is in 2000::/3: nothing else is open, and an exception must be of what is.
*/}}
{{- define "orchestrator.ofFamily" -}}
{{- $form := ternary "^[23][0-9a-fA-F]{3}:" "^[0-9.]+/" (eq (index . 0) "6") }}
{{- $found := list }}
{{- range index . 1 }}
{{- if regexMatch $form . }}{{ $found = append $found . }}{{ end }}
{{- end }}
{{- toJson $found }}
{{- end }}
