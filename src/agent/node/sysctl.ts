/** Kernel settings under /proc/sys/net, of the namespace that the calling thread is in. Synchronous, for use in inNetns. */
import {join} from 'node:path'
import {readSysctl, writeSysctl} from '../../kernel/sysctl.ts'
import {fail} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'

export class Sysctl {
  private readonly procfs: string

  /** @param procfs where proc is mounted writable */
  constructor(procfs: string) {
    this.procfs = procfs
  }

  /**
   * Sets a value unless it is there already: a container with a read-only /proc/sys can run on a prepared node.
   *
   * @param name with slashes, as device names may hold dots: `net/ipv4/conf/eth0.5/rp_filter`
   * @throws SYSCTL_FAILED; a setting that this kernel does not have, too
   */
  set(name: string, value: number | string): void {
    try {
      writeSysctl(name, value, this.procfs)
    } catch (thrown) {
      const path = join(this.procfs, 'sys', name)
      fail(codes.SYSCTL_FAILED, {name, value, path, detail: (thrown as Error).message}, {cause: thrown})
    }
  }

  /** Like `set`; a setting that this kernel or namespace does not have is left out. */
  setIfThere(name: string, value: number | string): void {
    if (this.get(name) !== undefined) this.set(name, value)
  }

  /** @returns undefined when there is no such setting */
  get(name: string): string | undefined {
    return readSysctl(name, this.procfs)
  }
}

export interface RoutingOptions {
  readonly ipv4: boolean
  readonly ipv6: boolean
  /** names of the devices that lead out of the node */
  readonly devices: readonly string[]
}

/** Makes the node a router that believes what eBPF has checked already. */
export function prepareRouting(sysctl: Sysctl, {ipv4, ipv6, devices}: RoutingOptions): void {
  sysctl.setIfThere('net/core/bpf_jit_enable', 1)
  if (ipv4) {
    sysctl.set('net/ipv4/ip_forward', 1)
    // the higher of `all` and the device's own value counts: others keep what they have
    sysctl.set('net/ipv4/conf/all/rp_filter', 0)
  }
  if (ipv6) {
    // before forwarding: that makes the kernel drop the routers it has heard of, but for devices that go on listening
    for (const device of devices) keepRouterAdvertisements(sysctl, device)
    sysctl.set('net/ipv6/conf/all/disable_ipv6', 0)
    sysctl.set('net/ipv6/conf/all/forwarding', 1)
  }
  allowPing(sysctl)
}

/** A router ignores router advertisements: devices that live by them must go on listening (accept_ra 2). */
function keepRouterAdvertisements(sysctl: Sysctl, device: string): void {
  const name = `net/ipv6/conf/${device}/accept_ra`
  if (sysctl.get(name) === '1') sysctl.set(name, 2)
}

/** Health probes ping by sockets that need no capability (icmp(7)): for the agent's group, which the kernel's default lacks. */
function allowPing(sysctl: Sysctl): void {
  const name = 'net/ipv4/ping_group_range'
  const [low, high] = (sysctl.get(name) ?? '').split(/\s+/).map(Number)
  if (low === undefined || high === undefined || low === 0) return
  // an empty range (1 0) becomes group 0 alone; another one is kept and reaches down to it
  try {
    sysctl.setIfThere(name, low > high ? '0 0' : `0 ${high}`)
  } catch {
    // on a prepared node that may not be changed: the probes then say why they cannot ask
  }
}

/** A device of ours: packets may come in with sources that are routed elsewhere, and with sources of this node. */
export function prepareDevice(
  sysctl: Sysctl,
  device: string,
  options: {readonly ipv4: boolean; readonly ipv6: boolean; readonly acceptLocal?: boolean},
): void {
  if (options.ipv4) {
    sysctl.set(`net/ipv4/conf/${device}/rp_filter`, 0)
    if (options.acceptLocal) sysctl.set(`net/ipv4/conf/${device}/accept_local`, 1)
  }
  if (options.ipv6) {
    sysctl.set(`net/ipv6/conf/${device}/disable_ipv6`, 0)
    sysctl.setIfThere(`net/ipv6/conf/${device}/accept_ra`, 0)
  }
}
