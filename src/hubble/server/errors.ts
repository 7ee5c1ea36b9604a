import {declareErrors} from '../../runtime/errors.ts'

export const {HUBBLE_LISTEN_FAILED} = declareErrors({
  HUBBLE_LISTEN_FAILED: {
    what: 'Hubble cannot listen on {address}: {detail}',
    advice: 'free the address, or set another: hubble-listen-address, hubble-socket-path',
  },
})
