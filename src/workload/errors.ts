import {declareErrors} from '../runtime/errors.ts'

export const {WORKLOAD_FLAG_INVALID} = declareErrors({
  WORKLOAD_FLAG_INVALID: {
    what: 'value "{value}" of --{flag} is not {expected}',
    advice: 'test-workload --http 8080 --udp-echo 9000 --dns 53 --record name.test=10.0.0.1',
  },
})
