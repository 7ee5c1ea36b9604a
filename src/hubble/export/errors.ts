import {declareErrors} from '../../runtime/errors.ts'

export const {FLOW_EXPORT_INVALID} = declareErrors({
  FLOW_EXPORT_INVALID: {
    what: 'the list of flow logs cannot be used: {detail}',
    advice: 'correct ConfigMap cilium-flowlog-config; what was exported before goes on meanwhile',
  },
})
