import {declareErrors} from '../../src/runtime/errors.ts'

export const {KERNEL_TOOL_MISSING, KERNEL_NOT_FETCHED, KERNEL_MODULE_MISSING, KERNEL_DID_NOT_END} = declareErrors({
  KERNEL_TOOL_MISSING: {
    what: '{tool} is not installed',
    advice: 'apt-get install qemu-system-x86 busybox-static cpio xz-utils',
  },
  KERNEL_NOT_FETCHED: {
    what: 'the kernel of Debian {suite} cannot be fetched: {detail}',
    advice: 'a Debian mirror is needed once; later runs take the kernel from the cache',
  },
  KERNEL_MODULE_MISSING: {
    what: 'kernel {release} has no module {module}',
    advice: 'remove ~/.cache/cilium-kernels, so that it is fetched again',
  },
  KERNEL_DID_NOT_END: {
    what: 'kernel {release} did not come to an end in {minutes} minutes; the last it said: {last}',
    advice: 'run it again with --verbose, which shows its console',
  },
})
