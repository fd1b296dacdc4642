{{- define "hotrow.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{/* With what is put behind it, the name of a StatefulSet or a CronJob has at most the 52 characters that it may have. */}}
{{- define "hotrow.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else if contains (include "hotrow.name" .) .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "hotrow.name" .) | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What pods are selected by; call with (list . "server"). */}}
{{- define "hotrow.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "hotrow.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "hotrow.labels" -}}
{{- $root := index . 0 -}}
{{ include "hotrow.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | quote }}
{{- end -}}

{{- define "hotrow.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "hotrow.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "hotrow.image" -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}

{{- define "hotrow.ingestName" -}}
{{- printf "%s-ingest" (include "hotrow.fullname" .) -}}
{{- end -}}

{{/* What values.schema.json cannot say. */}}
{{- define "hotrow.check" -}}
{{- range $role := list "server" "ingest" -}}
{{- $tls := (index $.Values $role).tls -}}
{{- if not (or $tls.existingSecret $.Values.insecure) -}}
{{- fail (printf "%s.tls.existingSecret is not set: name a secret with tls.crt and tls.key, or set insecure: true where only callers of hotrow reach the network" $role) -}}
{{- end -}}
{{- if and $tls.clientCa (not $tls.existingSecret) -}}
{{- fail (printf "%s.tls.clientCa needs %s.tls.existingSecret, with the authority in ca.crt" $role $role) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingest.tls.clientCa (not .Values.ingest.callerTls.existingSecret) -}}
{{- fail "ingest.tls.clientCa needs ingest.callerTls.existingSecret: server workers have to show a certificate" -}}
{{- end -}}
{{- if and .Values.server.autoscaling.enabled (gt (int .Values.server.autoscaling.minReplicas) (int .Values.server.autoscaling.maxReplicas)) -}}
{{- fail "server.autoscaling.minReplicas is greater than maxReplicas" -}}
{{- end -}}
{{- end -}}

{{/* A table of hotrow.toml: JSON's strings, numbers and truth values are TOML's. */}}
{{- define "hotrow.table" -}}
{{- range $key, $value := . }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end -}}

{{- define "hotrow.toml" -}}
project = {{ toJson .Values.project }}
registry = {{ toJson .Values.registry }}

[online_store]
path = "/var/lib/hotrow/online"
{{- include "hotrow.table" .Values.onlineStore }}

[offline_store]
path = "/var/lib/hotrow/log"
{{- include "hotrow.table" .Values.offlineStore }}

[server]
address = "0.0.0.0:6565"
{{- include "hotrow.table" .Values.server.settings }}
{{- with .Values.server.tls }}{{ if .existingSecret }}

[server.tls]
cert = "/etc/hotrow/server-tls/tls.crt"
key = "/etc/hotrow/server-tls/tls.key"
{{- if .clientCa }}
client_ca = "/etc/hotrow/server-tls/ca.crt"
{{- end }}
{{- end }}{{ end }}

[ingest]
address = "0.0.0.0:6566"
{{- include "hotrow.table" .Values.ingest.settings }}
{{- with .Values.ingest.tls }}{{ if .existingSecret }}

[ingest.tls]
cert = "/etc/hotrow/ingest-tls/tls.crt"
key = "/etc/hotrow/ingest-tls/tls.key"
{{- if .clientCa }}
client_ca = "/etc/hotrow/ingest-tls/ca.crt"
{{- end }}

[ingest.caller_tls]
ca = "/etc/hotrow/ingest-ca/ca.crt"
server_name = {{ toJson (default (include "hotrow.ingestName" $) .serverName) }}
{{- if $.Values.ingest.callerTls.existingSecret }}
cert = "/etc/hotrow/caller-tls/tls.crt"
key = "/etc/hotrow/caller-tls/tls.key"
{{- end }}
{{- end }}{{ end }}

[log]
json = true
{{- include "hotrow.table" (omit .Values.log "json") }}
{{ end -}}

{{/* Of every pod: no rights, no token, a file system that cannot be written. The image has the compiled kernels; where the
     CPU is of another kind than the one it was built on, they are compiled again into /tmp. */}}
{{- define "hotrow.podSettings" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "hotrow.containerSettings" -}}
image: {{ include "hotrow.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- define "hotrow.env" -}}
- name: HOTROW_REGISTRY
  value: {{ .Values.registry | quote }}
{{- range $variable, $secret := dict "HOTROW_STORE_PASSWORD" .Values.passwords.store "HOTROW_REGISTRY_PASSWORD" .Values.passwords.registry "HOTROW_SENTINEL_PASSWORD" .Values.passwords.sentinel }}
{{- if $secret.existingSecret }}
- name: {{ $variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $secret.existingSecret | quote }}
      key: {{ default "password" $secret.key | quote }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hotrow.mounts" -}}
{{- if .Values.definitions -}}
- name: repository
  mountPath: /repo
  readOnly: true
{{- else -}}
- name: repository
  mountPath: /repo/hotrow.toml
  subPath: hotrow.toml
  readOnly: true
{{- end }}
- name: state
  mountPath: /var/lib/hotrow
- name: tmp
  mountPath: /tmp
{{- if .Values.ingest.tls.existingSecret }}
- name: ingest-ca
  mountPath: /etc/hotrow/ingest-ca
  readOnly: true
{{- end }}
{{- if .Values.ingest.callerTls.existingSecret }}
- name: caller-tls
  mountPath: /etc/hotrow/caller-tls
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "hotrow.volumes" -}}
- name: state
  emptyDir: {}
- name: tmp
  emptyDir: {}
{{- with .Values.ingest.tls.existingSecret }}
- name: ingest-ca
  secret:
    secretName: {{ . | quote }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- with .Values.ingest.callerTls.existingSecret }}
- name: caller-tls
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Kubernetes asks gRPC's health service itself, but not through TLS: there it sees whether the port is open. A worker
     that is ready opens it, and one that dies is started again by its supervisor. Call with (list tls port). */}}
{{- define "hotrow.probe" -}}
{{- if (index . 0).existingSecret -}}
tcpSocket:
  port: {{ index . 1 }}
{{- else -}}
grpc:
  port: {{ index . 1 }}
{{- end -}}
{{- end -}}

{{/* Kernels may have to be compiled at the start. */}}
{{- define "hotrow.probes" -}}
startupProbe:
  {{- include "hotrow.probe" . | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 60
readinessProbe:
  {{- include "hotrow.probe" . | nindent 2 }}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  {{- include "hotrow.probe" . | nindent 2 }}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
# Endpoints forget a pod while it drains already: calls that come until then are answered.
lifecycle:
  preStop:
    exec:
      command: [sleep, "5"]
{{- end -}}

{{/* preStop, the drain, and what a supervisor waits for after it. */}}
{{- define "hotrow.grace" -}}
{{- add 25 (ceil (default 20 .drain_s)) -}}
{{- end -}}

{{/* Volumes of a listener's own certificate. Call with (list name tls). */}}
{{- define "hotrow.listenerMount" -}}
{{- if (index . 1).existingSecret }}
- name: {{ index . 0 }}-tls
  mountPath: /etc/hotrow/{{ index . 0 }}-tls
  readOnly: true
{{- end }}
{{- end -}}

{{- define "hotrow.listenerVolume" -}}
{{- with (index . 1).existingSecret }}
- name: {{ index $ 0 }}-tls
  secret:
    secretName: {{ . | quote }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{/* A job changes no files of its own that are to be kept. Its log is nowhere: should it have to start an ingest worker
     for itself, pushed rows stay in the outbox of the store for the one that has the log. Call with
     (list . component arguments). */}}
{{- define "hotrow.jobContainer" -}}
{{- $root := index . 0 -}}
- name: {{ index . 1 }}
  {{- include "hotrow.containerSettings" $root | nindent 2 }}
  args: {{ toJson (index . 2) }}
  env:
    {{- include "hotrow.env" $root | nindent 4 }}
    - name: HOTROW_STORE_PATH
      value: /var/lib/hotrow/online
    - name: HOTROW_OFFLINE_STORE_PATH
      value: /nowhere/log
    - name: HOTROW_INGEST_ADDRESS
      value: {{ printf "%s:%v" (include "hotrow.ingestName" $root) $root.Values.ingest.service.port | quote }}
  resources:
    {{- toYaml $root.Values.jobResources | nindent 4 }}
  volumeMounts:
    {{- include "hotrow.mounts" $root | nindent 4 }}
{{- end -}}

{{/* The files of the repository: hotrow.toml, and the definitions that were given. */}}
{{- define "hotrow.files" -}}
hotrow.toml: |
  {{- include "hotrow.toml" . | nindent 2 }}
{{- range $name, $text := .Values.definitions }}
{{ $name | quote }}: {{ toJson $text }}
{{- end }}
{{- end -}}
