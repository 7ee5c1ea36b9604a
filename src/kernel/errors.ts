/** What the kernel answers, as codes. The errno's name and the operation travel in the fields. */
import {constants} from 'node:os'
import {CiliumError, declareErrors} from '../runtime/errors.ts'

export const kernelCodes = declareErrors({
  KERNEL_PERMISSION: {
    what: '{operation}: {errno}{detail}',
    advice: 'run as root, or give the process the capabilities BPF, NET_ADMIN, PERFMON and SYS_ADMIN',
  },
  KERNEL_NOT_FOUND: {what: '{operation}: {errno}{detail}', advice: 'what was named does not exist (any more)'},
  KERNEL_EXISTS: {what: '{operation}: {errno}{detail}', advice: 'something of that name or number is there already'},
  KERNEL_FULL: {what: '{operation}: {errno}{detail}', advice: 'raise the size of what is full, or remove from it'},
  KERNEL_NO_MEMORY: {what: '{operation}: {errno}{detail}', advice: 'raise the memory limit, or make maps smaller'},
  KERNEL_UNSUPPORTED: {
    what: '{operation}: {errno}{detail}',
    advice: 'this kernel lacks it: see the kernel table in the documentation',
  },
  KERNEL_CALL_FAILED: {what: '{operation}: {errno}{detail}', advice: 'see the errno in the system call manual'},
  BPF_OBJECT_MISSING: {what: 'no eBPF object at {path}', advice: 'build it with npm run bpf, or reinstall'},
  BPF_OBJECT_INVALID: {what: '{path} is not a usable eBPF object: {detail}', advice: 'build it anew with npm run bpf'},
  BPF_LOAD_FAILED: {
    what: 'the kernel refused {object}: {errno}\n{detail}',
    advice: 'the end of the verifier log says why; report it with the kernel version',
  },
  BPF_CONFIG_SIZE: {
    what: 'configuration of {object} has {expected} bytes, not {given}',
    advice: 'object and program are of different builds: reinstall',
  },
  BPF_NAME_UNKNOWN: {what: '{object} has no {kind} named {name}', advice: 'object and program differ: reinstall'},
  BPF_MAP_LAYOUT: {
    what: 'map {name} has type {haveType}, key {haveKey}, value {haveValue} bytes; wanted {type}, {key}, {value}',
    advice: 'it is of another layout: convert it or use a path of its own',
  },
  LIBBPF_MISSING: {what: 'libbpf cannot be loaded: {detail}', advice: 'apt-get install libbpf1'},
  NETNS_MISUSED: {what: '{detail}', advice: 'work in another network namespace must be synchronous: report this'},
})

const names = new Map<number, string>(Object.entries(constants.errno).map(([name, number]) => [number, name]))
// not in the C library: the kernel's own "not supported", which leaks from map operations
names.set(524, 'ENOTSUPP')

const codeByErrno: Readonly<Record<string, string>> = {
  EPERM: kernelCodes.KERNEL_PERMISSION,
  EACCES: kernelCodes.KERNEL_PERMISSION,
  ENOENT: kernelCodes.KERNEL_NOT_FOUND,
  ENODEV: kernelCodes.KERNEL_NOT_FOUND,
  ENXIO: kernelCodes.KERNEL_NOT_FOUND,
  ESRCH: kernelCodes.KERNEL_NOT_FOUND,
  EEXIST: kernelCodes.KERNEL_EXISTS,
  E2BIG: kernelCodes.KERNEL_FULL,
  ENOSPC: kernelCodes.KERNEL_FULL,
  ENOMEM: kernelCodes.KERNEL_NO_MEMORY,
  ENOSYS: kernelCodes.KERNEL_UNSUPPORTED,
  EOPNOTSUPP: kernelCodes.KERNEL_UNSUPPORTED,
  ENOTSUP: kernelCodes.KERNEL_UNSUPPORTED,
  ENOTSUPP: kernelCodes.KERNEL_UNSUPPORTED,
  EAFNOSUPPORT: kernelCodes.KERNEL_UNSUPPORTED,
  EPROTONOSUPPORT: kernelCodes.KERNEL_UNSUPPORTED,
}

/** The name of an errno, "errno 999" for one without a name. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `errno ${errno}`
}

/** A kernel call that did not succeed. */
export class KernelError extends CiliumError {
  /** ENOENT, EEXIST, ... */
  readonly errno: string
  /** what was tried, with its object: "delete route 10.0.0.0/24" */
  readonly operation: string

  constructor(errno: number, operation: string, detail = '') {
    const name = errnoName(errno)
    super(codeByErrno[name] ?? kernelCodes.KERNEL_CALL_FAILED, {
      operation,
      errno: name,
      detail: detail && ` (${detail})`,
    })
    this.name = 'KernelError'
    this.errno = name
    this.operation = operation
  }
}

/** True when a kernel call failed with one of these errnos. */
export function isErrno(thrown: unknown, ...errnos: readonly string[]): thrown is KernelError {
  return thrown instanceof KernelError && errnos.includes(thrown.errno)
}
