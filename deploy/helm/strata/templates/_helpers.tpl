{{- /* A CronJob's name has 52 characters at most, and ours ends in -nightly- and a number. */ -}}
{{- define "strata.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "strata.labels" -}}
app.kubernetes.io/name: strata
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "strata.selector" -}}
app.kubernetes.io/name: strata
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "strata.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- /* No shell, no root, no writing to the image, no token of the cluster. */ -}}
{{- define "strata.podSecurity" -}}
automountServiceAccountToken: false
serviceAccountName: {{ include "strata.name" . }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "strata.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: ["ALL"] }
{{- end -}}

{{- define "strata.servers" -}}
- name: STRATA_NATS
  valueFrom: { secretKeyRef: { name: {{ .Values.nats.secret.name }}, key: {{ .Values.nats.secret.key }} } }
- name: STRATA_REDIS
  valueFrom: { secretKeyRef: { name: {{ .Values.redis.secret.name }}, key: {{ .Values.redis.secret.key }} } }
{{- if .Values.clusterKeySecret }}
- { name: STRATA_CLUSTER_KEY, value: /cluster-key/key }
{{- end }}
{{- end -}}

{{- /* What every role of the cluster is given besides: the key that tags what is in Redis, and files of your own. */ -}}
{{- define "strata.mounts" -}}
{{- if .Values.clusterKeySecret }}
- { name: cluster-key, mountPath: /cluster-key, readOnly: true }
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "strata.volumes" -}}
{{- if .Values.clusterKeySecret }}
- name: cluster-key
  secret:
    secretName: {{ .Values.clusterKeySecret }}
    items: [{ key: key, path: key }]
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "strata.observe" -}}
- name: STRATA_METRICS
  value: "0.0.0.0:{{ .Values.metrics.port }}"
- name: STRATA_LOG_FORMAT
  value: json
- name: STRATA_LOG
  value: info
- name: HOSTNAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
{{- end -}}

{{- define "strata.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /healthz, port: metrics }
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}
