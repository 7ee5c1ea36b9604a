/** Kernel settings under /proc/sys/net, of the namespace that the calling thread is in. Synchronous, for use in inNetns. */
import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
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
  set(name: string, value: number): void {
    const path = this.pathOf(name)
    try {
      if (readFileSync(path, 'utf8').trim() === String(value)) return
      writeFileSync(path, String(value))
    } catch (thrown) {
      fail(codes.SYSCTL_FAILED, {name, value, path, detail: (thrown as Error).message}, {cause: thrown})
    }
  }

  /** Like `set`; a setting that this kernel or namespace does not have is left out. */
  setIfThere(name: string, value: number): void {
    if (this.get(name) !== undefined) this.set(name, value)
  }

  /** @returns undefined when there is no such setting */
  get(name: string): number | undefined {
    try {
      return Number(readFileSync(this.pathOf(name), 'utf8').trim())
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw thrown
    }
  }

  private pathOf(name: string): string {
    return join(this.procfs, 'sys', name)
  }
}

/** Makes the node a router that believes what eBPF has checked already. */
export function prepareRouting(sysctl: Sysctl, options: {readonly ipv4: boolean; readonly ipv6: boolean}): void {
  sysctl.setIfThere('net/core/bpf_jit_enable', 1)
  if (options.ipv4) {
    sysctl.set('net/ipv4/ip_forward', 1)
    // the higher of `all` and the device's own value counts: others keep what they have
    sysctl.set('net/ipv4/conf/all/rp_filter', 0)
  }
  if (options.ipv6) {
    sysctl.set('net/ipv6/conf/all/disable_ipv6', 0)
    sysctl.set('net/ipv6/conf/all/forwarding', 1)
  }
}

/** A router ignores router advertisements: devices that live by them must go on listening (accept_ra 2). */
export function keepRouterAdvertisements(sysctl: Sysctl, device: string): void {
  const name = `net/ipv6/conf/${device}/accept_ra`
  if (sysctl.get(name) === 1) sysctl.set(name, 2)
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
