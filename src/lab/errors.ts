import {declareErrors} from '../runtime/errors.ts'

export const {
  LAB_NAME_INVALID,
  LAB_OPTION_INVALID,
  LAB_DIFFERS,
  LAB_BUSY,
  LAB_UNKNOWN,
  LAB_NODE_UNKNOWN,
  LAB_NODE_DOWN,
  LAB_NOT_OURS,
  LAB_NO_SUBNET,
  LAB_PREREQUISITE,
  LAB_VERSION_UNSUPPORTED,
  LAB_BUILD_FAILED,
  LAB_COMMAND_FAILED,
  LAB_PROCESS_DIED,
  LAB_NOT_READY,
  LAB_API_REFUSED,
  LAB_IMAGE_UNREADABLE,
  LAB_CLEANUP_INCOMPLETE,
} = declareErrors({
  LAB_NAME_INVALID: {
    what: 'a {kind} cannot be named "{name}"',
    advice: 'use 1 to {limit} lower-case letters, digits and hyphens, a letter first',
  },
  LAB_OPTION_INVALID: {what: '{option} "{value}" does not work: {reason}', advice: 'correct {option} and run again'},
  LAB_DIFFERS: {
    what: 'lab "{name}" exists with {option} {existing}, not {wanted}',
    advice: 'leave the option out, take another --name, or run "cilium lab down --name {name}" first',
  },
  LAB_BUSY: {what: 'process {pid} is at work on lab "{name}"', advice: 'wait for it, or end it and run again'},
  LAB_UNKNOWN: {what: 'there is no lab "{name}"', advice: 'run "cilium lab up --name {name}"; labs here: {labs}'},
  LAB_NODE_UNKNOWN: {what: 'lab "{name}" has no node "{node}"', advice: 'it has: {nodes}'},
  LAB_NODE_DOWN: {what: 'node "{node}" of lab "{name}" is not running', advice: 'run "cilium lab up --name {name}"'},
  LAB_NOT_OURS: {
    what: '{kind} "{id}" exists and was not made by lab "{name}"',
    advice: 'remove it if it is not needed, or take another --name',
  },
  LAB_NO_SUBNET: {
    what: 'no free subnet is left for a lab in 172.30.0.0/16',
    advice: 'end a lab that is not needed: "cilium lab down --name NAME"',
  },
  LAB_PREREQUISITE: {what: '{missing}', advice: '{advice}'},
  LAB_VERSION_UNSUPPORTED: {what: 'Kubernetes {version} does not run in a lab here: {reason}', advice: '{advice}'},
  LAB_BUILD_FAILED: {what: 'building {component} {version} failed: {detail}', advice: 'the whole output is in {log}'},
  LAB_COMMAND_FAILED: {
    what: '"{command}" ended with {status}: {detail}',
    advice: 'see the text above; nothing was undone',
  },
  LAB_PROCESS_DIED: {what: '{process} ended: {detail}', advice: 'its log is {log}'},
  LAB_NOT_READY: {what: 'gave up waiting for {what} after {seconds} s', advice: 'look at {where}'},
  LAB_API_REFUSED: {what: 'the lab API server answered {status} to {request}: {detail}', advice: 'look at {log}'},
  LAB_IMAGE_UNREADABLE: {
    what: '{file} is not an image archive: {reason}',
    advice: 'give a tar made by "npm run image", "docker save" or an OCI layout',
  },
  LAB_CLEANUP_INCOMPLETE: {
    what: 'lab "{name}" could not be removed whole: {left}',
    advice: 'run "cilium lab down --name {name}" again',
  },
})
