/** Error codes of src/runtime. */
import {declareErrors} from './errors.ts'

export const runtimeErrors = declareErrors({
  QUEUE_FULL: {
    what: 'queue {queue} is full ({capacity} waiting)',
    advice:
      'try again; when it stays full the node is overloaded or something it waits for hangs: see `cilium-dbg status`',
  },
  WAIT_TIMEOUT: {
    what: '{what} did not happen within {timeoutMs} ms',
    advice: 'look at the log for what it waits for, then try again',
  },
  START_FAILED: {
    what: '{part} did not start: {detail}',
    advice: 'read the cause, correct it, start again',
  },
  STOP_TIMEOUT: {
    what: '{part} did not stop within {timeoutMs} ms',
    advice: 'nothing to do: the process ends anyway',
  },
  STATE_WRITE_FAILED: {
    what: 'cannot write {path}: {detail}',
    advice: 'check that the file system is writable and not full; the last good content of the file is kept',
  },
  STATE_READ_FAILED: {
    what: 'cannot read {path}: {detail}',
    advice: 'check the permissions of the file and its directory',
  },
  STATE_CORRUPT: {
    what: '{path} is damaged: {detail}',
    advice: 'the file is ignored and written anew; nothing needs to be done unless it happens again',
  },
  STATE_VERSION: {
    what: '{path} has layout {found}, this program reads {expected}',
    advice: 'the file was written by another version; it is ignored and written anew',
  },
  CONFIG_UNREADABLE: {
    what: 'cannot read the configuration in {path}: {detail}',
    advice: 'mount the ConfigMap cilium-config there, or give the right --config-dir',
  },
  CONFIG_INVALID: {
    what: 'configuration is not valid: {problems}',
    advice: 'correct these keys in the ConfigMap cilium-config (or the Helm values they come from), then restart',
  },
})
