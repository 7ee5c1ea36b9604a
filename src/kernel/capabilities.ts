/** What this process may do (capabilities(7)), against what the agent asks of the kernel. */
import {readFileSync} from 'node:fs'

interface Capability {
  /** number in linux/capability.h */
  readonly bit: number
  readonly for: string
  /** the kernel takes this one for it, too */
  readonly within?: string
}

/** By the names that Kubernetes has for them. Each is needed unless another holds it. */
export const agentCapabilities: Readonly<Record<string, Capability>> = {
  NET_ADMIN: {bit: 12, for: 'devices, addresses, routes, and programs on devices and cgroups'},
  SYS_ADMIN: {bit: 21, for: "entering pods' network namespaces"},
  PERFMON: {bit: 38, for: 'programs that follow pointers of the kernel', within: 'SYS_ADMIN'},
  BPF: {bit: 39, for: 'loading programs and making maps', within: 'SYS_ADMIN'},
}

/**
 * Capabilities that are missing.
 *
 * @param status text of /proc/PID/status
 */
export function missingCapabilities(status = readFileSync('/proc/self/status', 'utf8')): readonly string[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`)
  const has = (name: string) => ((effective >> BigInt(agentCapabilities[name]!.bit)) & 1n) === 1n
  return Object.entries(agentCapabilities)
    .filter(([name, {within}]) => !has(name) && (within === undefined || !has(within)))
    .map(([name]) => name)
}
