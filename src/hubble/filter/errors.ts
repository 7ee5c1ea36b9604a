import {declareErrors} from '../../runtime/errors.ts'

export const {FLOW_FILTER_INVALID} = declareErrors({
  FLOW_FILTER_INVALID: {what: 'flow filter {field}: {detail}', advice: 'correct the value of {field}'},
})
