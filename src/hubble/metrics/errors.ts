import {declareErrors} from '../../runtime/errors.ts'

export const {HUBBLE_METRIC_INVALID, HUBBLE_METRICS_FILE_INVALID} = declareErrors({
  HUBBLE_METRIC_INVALID: {
    what: 'the metric {spec} cannot be counted: {detail}',
    advice: 'correct hubble.metrics.enabled; docs/guide/hubble.md lists metrics and options',
  },
  HUBBLE_METRICS_FILE_INVALID: {
    what: 'the file of metrics cannot be used: {detail}',
    advice: 'correct ConfigMap cilium-dynamic-metrics-config; docs/guide/hubble.md shows one',
  },
})
