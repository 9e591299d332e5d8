{{/* What somebody should hear of: name → expr, for, severity, summary. */}}
{{- define "operator.alerts" -}}
{{- $own := printf "{namespace=%q,service=%q" .Release.Namespace (include "vb-common.fullname" .) -}}
VentureBotsOperatorLeaderless:
  expr: absent(venturebots_operator_is_leader{{ $own }}} == 1)
  for: 2m
  severity: critical
  summary: No operator leads. Chat goes on; changes of crews and new orchestrators wait.
VentureBotsOperatorDeaf:
  expr: max(venturebots_operator_watch_age_seconds{{ $own }}}) > {{ div (int .Values.settings.watchStaleSeconds) 2 }}
  for: 1m
  severity: warning
  summary: An operator hears nothing of the API server.
VentureBotsOperatorFailing:
  expr: sum(rate(venturebots_operator_reconcile_total{{ $own }},result="failed"}[5m])) > 0
  for: 10m
  severity: warning
  summary: The operator fails again and again; its log says at what.
VentureBotsCrewNotReady:
  expr: sum(venturebots_operator_crew_condition{{ $own }},type="Ready",status!="True"}) > 0
  for: 15m
  severity: warning
  summary: "{{ "{{ $value }}" }} crews are not ready; `kubectl get crews` says which and why."
VentureBotsCrewRolledBack:
  expr: sum(venturebots_operator_crew_condition{{ $own }},type="RolledBack",status="True"}) > 0
  for: 1m
  severity: warning
  summary: "{{ "{{ $value }}" }} crews went back to what was trusted; their events say why."
VentureBotsCrewBootstrapTooLarge:
  expr: max(venturebots_operator_bootstrap_too_large{{ $own }}}) > 0
  for: 5m
  severity: warning
  summary: All crews together do not fit their ConfigMap; new orchestrators need the operator.
{{- end }}
