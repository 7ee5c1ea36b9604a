import {declareErrors} from '../../runtime/errors.ts'

export const {HUBBLE_METRIC_INVALID} = declareErrors({
  HUBBLE_METRIC_INVALID: {
    what: 'the metric {spec} cannot be counted: {detail}',
    advice: 'correct hubble.metrics.enabled; docs/guide/hubble.md lists metrics and options',
  },
})
