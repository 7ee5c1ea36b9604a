import {declareErrors} from '../runtime/errors.ts'

export const codes = declareErrors({
  DATAPATH_INCOMPLETE: {
    what: 'generation {number} lacks {what}',
    advice: 'restart the agent; it loads a new generation beside it',
  },
  DATAPATH_TIMER: {
    what: 'the timer that expires flows did not start: the kernel says {result}',
    advice: 'the kernel must have bpf_timer (5.15 or later)',
  },
})
