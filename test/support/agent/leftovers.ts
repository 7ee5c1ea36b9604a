/** What tests that were killed have left on the machine: found by name, removed when nobody holds the number any more. */
import {existsSync, readdirSync, rmdirSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {removePair} from '../../../src/agent/endpoint/pod-device.ts'
import {unmountFileSystem} from '../../../src/kernel/libc.ts'
import {findLink, listLinks} from '../../../src/kernel/netlink/link.ts'
import {NetlinkSocket} from '../../../src/kernel/netlink/socket.ts'
import {deleteNetns} from '../../../src/kernel/netns.ts'

const cgroups = '/sys/fs/cgroup/unified'

export function nodeName(number: number): string {
  return `ag-node${number}`
}

export function uplinkName(number: number): string {
  return `ag${number}-up`
}

export function bridgeName(number: number): string {
  return `ag${number}-br`
}

/** Numbers of all test nodes of which something is there, those of running tests as well. */
export function numbersSeen(): Set<number> {
  using socket = new NetlinkSocket()
  const names = [
    ...readdirSync('/run/netns'),
    ...readdirSync(tmpdir()),
    ...(existsSync(cgroups) ? readdirSync(cgroups) : []),
    ...listLinks(socket).map(({name}) => name),
  ]
  const numbers = names.map((name) => /^(?:cilium-health-)?ag(?:-node(\d+)(?:-|$)|(\d+)-(?:up|br)$)/.exec(name))
  return new Set(numbers.filter((found) => found !== null).map(([, node, device]) => Number(node ?? device)))
}

/** Removes all that a test node of this number may have left. The caller holds the number. */
export function clearLeftovers(number: number): void {
  const node = nodeName(number)
  for (const name of readdirSync('/run/netns')) {
    if (name === node || name.startsWith(`${node}-`) || name === `cilium-health-${node}`) deleteNetns(name)
  }
  removeLink(uplinkName(number))
  removeLink(bridgeName(number))
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(`${node}-`)) continue
    try {
      unmountFileSystem(join(tmpdir(), name, 'bpf'))
    } catch {
      // was not mounted any more
    }
    rmSync(join(tmpdir(), name), {recursive: true, force: true})
  }
  removeCgroup(join(cgroups, node))
}

function removeCgroup(path: string): void {
  if (!existsSync(path)) return
  try {
    rmdirSync(path)
  } catch {
    // what still runs there was started by the test; it ends in the kernel's own time, the folder goes at the next look
    writeFileSync(join(path, 'cgroup.kill'), '1')
  }
}

export function removeLink(name: string): void {
  using socket = new NetlinkSocket()
  const link = findLink(socket, name)
  // with the namespace of its peer it goes by itself, in the kernel's own time
  if (link !== undefined) removePair(socket, link.ifindex)
}
