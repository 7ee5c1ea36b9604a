{{- /* Grafana dashboard of the metrics made from flows. */ -}}
{{- define "cilium.hubbleDashboard" -}}
{
  "title": "Hubble",
  "uid": "cilium-hubble",
  "schemaVersion": 39,
  "version": 1,
  "editable": true,
  "refresh": "30s",
  "time": {
    "from": "now-1h",
    "to": "now"
  },
  "templating": {
    "list": [
      {
        "name": "datasource",
        "type": "datasource",
        "query": "prometheus",
        "label": "Data source"
      }
    ]
  },
  "tags": [
    "cilium",
    "hubble"
  ],
  "panels": [
    {
      "id": 1,
      "title": "Flows by verdict",
      "type": "timeseries",
      "datasource": {
        "type": "prometheus",
        "uid": "${datasource}"
      },
      "gridPos": {
        "h": 8,
        "w": 12,
        "x": 0,
        "y": 0
      },
      "fieldConfig": {
        "defaults": {
          "unit": "ops"
        },
        "overrides": []
      },
      "targets": [
        {
          "expr": "sum by (verdict) (rate(hubble_flows_processed_total[1m]))",
          "legendFormat": "{{ "{{" }}verdict{{ "}}" }}",
          "refId": "A"
        }
      ]
    },
    {
      "id": 2,
      "title": "Flows by type",
      "type": "timeseries",
      "datasource": {
        "type": "prometheus",
        "uid": "${datasource}"
      },
      "gridPos": {
        "h": 8,
        "w": 12,
        "x": 12,
        "y": 0
      },
      "fieldConfig": {
        "defaults": {
          "unit": "ops"
        },
        "overrides": []
      },
      "targets": [
        {
          "expr": "sum by (type, subtype) (rate(hubble_flows_processed_total[1m]))",
          "legendFormat": "{{ "{{" }}type{{ "}}" }} {{ "{{" }}subtype{{ "}}" }}",
          "refId": "A"
        }
      ]
    },
    {
      "id": 3,
      "title": "Dropped flows by reason",
      "type": "timeseries",
      "datasource": {
        "type": "prometheus",
        "uid": "${datasource}"
      },
      "gridPos": {
        "h": 8,
        "w": 12,
        "x": 0,
        "y": 8
      },
      "fieldConfig": {
        "defaults": {
          "unit": "ops"
        },
        "overrides": []
      },
      "targets": [
        {
          "expr": "sum by (reason) (rate(hubble_drop_total[1m]))",
          "legendFormat": "{{ "{{" }}reason{{ "}}" }}",
          "refId": "A"
        }
      ]
    },
    {
      "id": 4,
      "title": "Dropped flows by protocol",
      "type": "timeseries",
      "datasource": {
        "type": "prometheus",
        "uid": "${datasource}"
      },
      "gridPos": {
        "h": 8,
        "w": 12,
        "x": 12,
        "y": 8
      },
      "fieldConfig": {
        "defaults": {
          "unit": "ops"
        },
        "overrides": []
      },
      "targets": [
        {
          "expr": "sum by (protocol) (rate(hubble_drop_total[1m]))",
          "legendFormat": "{{ "{{" }}protocol{{ "}}" }}",
          "refId": "A"
        }
      ]
    },
    {
      "id": 5,
      "title": "TCP flags",
      "type": "timeseries",
      "datasource": {
        "type": "prometheus",
        "uid": "${datasource}"
      },
      "gridPos": {
        "h": 8,
        "w": 12,
        "x": 0,
        "y": 16
      },
      "fieldConfig": {
        "defaults": {
          "unit": "ops"
        },
        "overrides": []
      },
      "targets": [
        {
          "expr": "sum by (flag, family) (rate(hubble_tcp_flags_total[1m]))",
          "legendFormat": "{{ "{{" }}flag{{ "}}" }} {{ "{{" }}family{{ "}}" }}",
          "refId": "A"
        }
      ]
    },
    {
      "id": 6,
      "title": "TCP connections that got no answer",
      "type": "timeseries",
      "datasource": {
        "type": "prometheus",
        "uid": "${datasource}"
      },
      "gridPos": {
        "h": 8,
        "w": 12,
        "x": 12,
        "y": 16
      },
      "fieldConfig": {
        "defaults": {
          "unit": "ops"
        },
        "overrides": []
      },
      "targets": [
        {
          "expr": "sum(rate(hubble_tcp_flags_total{flag=\"SYN\"}[1m])) - sum(rate(hubble_tcp_flags_total{flag=\"SYN-ACK\"}[1m]))",
          "legendFormat": "SYN without SYN-ACK",
          "refId": "A"
        }
      ]
    },
    {
      "id": 7,
      "title": "ICMP",
      "type": "timeseries",
      "datasource": {
        "type": "prometheus",
        "uid": "${datasource}"
      },
      "gridPos": {
        "h": 8,
        "w": 12,
        "x": 0,
        "y": 24
      },
      "fieldConfig": {
        "defaults": {
          "unit": "ops"
        },
        "overrides": []
      },
      "targets": [
        {
          "expr": "sum by (family, type) (rate(hubble_icmp_total[1m]))",
          "legendFormat": "{{ "{{" }}family{{ "}}" }} {{ "{{" }}type{{ "}}" }}",
          "refId": "A"
        }
      ]
    },
    {
      "id": 8,
      "title": "Ports",
      "type": "timeseries",
      "datasource": {
        "type": "prometheus",
        "uid": "${datasource}"
      },
      "gridPos": {
        "h": 8,
        "w": 12,
        "x": 12,
        "y": 24
      },
      "fieldConfig": {
        "defaults": {
          "unit": "ops"
        },
        "overrides": []
      },
      "targets": [
        {
          "expr": "topk(10, sum by (protocol, port) (rate(hubble_port_distribution_total[1m])))",
          "legendFormat": "{{ "{{" }}protocol{{ "}}" }} {{ "{{" }}port{{ "}}" }}",
          "refId": "A"
        }
      ]
    },
    {
      "id": 9,
      "title": "Flows to outside",
      "type": "timeseries",
      "datasource": {
        "type": "prometheus",
        "uid": "${datasource}"
      },
      "gridPos": {
        "h": 8,
        "w": 12,
        "x": 0,
        "y": 32
      },
      "fieldConfig": {
        "defaults": {
          "unit": "ops"
        },
        "overrides": []
      },
      "targets": [
        {
          "expr": "sum by (protocol, verdict) (rate(hubble_flows_to_world_total[1m]))",
          "legendFormat": "{{ "{{" }}protocol{{ "}}" }} {{ "{{" }}verdict{{ "}}" }}",
          "refId": "A"
        }
      ]
    },
    {
      "id": 10,
      "title": "Lost events",
      "type": "timeseries",
      "datasource": {
        "type": "prometheus",
        "uid": "${datasource}"
      },
      "gridPos": {
        "h": 8,
        "w": 12,
        "x": 12,
        "y": 32
      },
      "fieldConfig": {
        "defaults": {
          "unit": "ops"
        },
        "overrides": []
      },
      "targets": [
        {
          "expr": "sum by (source) (rate(hubble_lost_events_total[1m]))",
          "legendFormat": "{{ "{{" }}source{{ "}}" }}",
          "refId": "A"
        }
      ]
    }
  ]
}
{{- end -}}
