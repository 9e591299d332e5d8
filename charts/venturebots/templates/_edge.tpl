{{/* The way in: host, TLS and the table of paths, for Ingress and HTTPRoute alike. */}}

{{- define "venturebots.host" -}}
{{- $url := .Values.global.externalUrl | required "global.externalUrl is empty: say where browsers reach VentureBots, such as https://coach.example.org" }}
{{- regexReplaceAll ":[0-9]+$" (urlParse $url).host "" }}
{{- end }}

{{- define "venturebots.tlsSecret" -}}
{{- .Values.tls.secretName }}
{{- if and .Values.tls.secretName (not (hasPrefix "https://" .Values.global.externalUrl)) }}
{{- fail (printf "tls.secretName is %q, but global.externalUrl, %q, does not begin with https://" .Values.tls.secretName .Values.global.externalUrl) }}
{{- end }}
{{- end }}

{{/* Paths of the gateway; all others are the page's. */}}
{{- define "venturebots.gatewayPaths" -}}
- {path: /v1, type: Prefix}
- {path: /config.js, type: Exact}
- {path: /openapi.json, type: Exact}
- {path: /docs, type: Exact}
{{- end }}
