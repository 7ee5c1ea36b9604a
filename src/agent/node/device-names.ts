/** Names of devices that we make, and which devices of a node carry its traffic. Pure. */
import {createHash} from 'node:crypto'

export const hostDevice = 'cilium_host'
export const hostPeerDevice = 'cilium_net'
export const overlayDevice = 'cilium_vxlan'
export const healthDevice = 'lxc_health'

/** The node's end of a pod's device: stable for an attachment, and different for any two of a node with good odds. */
export function podDeviceName(containerId: string, ifname: string): string {
  // 15 characters are what Linux allows
  return `lxc${createHash('sha256').update(`${containerId}:${ifname}`).digest('hex').slice(0, 12)}`
}

/** True for devices that only we make. */
export function isOwnDevice(name: string): boolean {
  return /^(cilium_(host|net|vxlan|geneve|wg0)|lxc([0-9a-f]{12}|_health))$/.test(name)
}

/** What is known of a device before it is chosen. */
export interface Candidate {
  readonly name: string
  readonly kind: string
  readonly loopback: boolean
  /** part of a bridge or bond: its master carries the traffic */
  readonly enslaved: boolean
  /** a default route leaves by it */
  readonly defaultRoute: boolean
  /** it has an address by which the cluster knows this node */
  readonly nodeAddress: boolean
}

/**
 * The devices whose traffic the datapath sees, sorted by name.
 * 1 Ours and loopback are never chosen. What is down keeps its programs: it may come up at any moment.
 * 2 With names given (`eth0`, `eth+` for a prefix, `!eth1` for an exception) those that match.
 * 3 Without, or in addition when detection is forced: those with a default route or an address of the node.
 */
export function chooseDevices(
  candidates: readonly Candidate[],
  patterns: readonly string[],
  forceDetection: boolean,
): string[] {
  const excluded = patterns.filter((pattern) => pattern.startsWith('!')).map((pattern) => pattern.slice(1))
  const wanted = patterns.filter((pattern) => !pattern.startsWith('!'))
  return candidates
    .filter((device) => !isOwnDevice(device.name) && !device.loopback)
    .filter((device) => !excluded.some((pattern) => matches(device.name, pattern)))
    .filter((device) => {
      if (wanted.some((pattern) => matches(device.name, pattern))) return true
      if (wanted.length > 0 && !forceDetection) return false
      return !device.enslaved && (device.defaultRoute || device.nodeAddress)
    })
    .map((device) => device.name)
    .sort()
}

/** `eth+` matches every name that begins with eth, `+` all. */
export function matches(name: string, pattern: string): boolean {
  return pattern.endsWith('+') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}
