import {declareErrors} from '../../runtime/errors.ts'

export const {RELAY_CONFIG_INVALID, RELAY_USAGE} = declareErrors({
  RELAY_CONFIG_INVALID: {
    what: 'the configuration {file} cannot be used: {detail}',
    advice: 'correct ConfigMap hubble-relay-config, then restart hubble-relay',
  },
  RELAY_USAGE: {
    what: '{word} is nothing that hubble-relay knows',
    advice: 'start it as "hubble-relay serve [--config FILE] [--debug]"',
  },
})
