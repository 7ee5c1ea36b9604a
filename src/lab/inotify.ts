/** inotify instances: Debian allows 128 per user, which a few labs use up, and kubelet then dies with a strange message. */
import {readdirSync, readFileSync, readlinkSync} from 'node:fs'
import {fail} from '../runtime/errors.ts'
import {LAB_PREREQUISITE} from './errors.ts'

/** Counted on v1.34: kubelet 6, containerd 1, and 3 for what runs in pods. */
const perNode = 10
const perControlPlane = 8

/** @throws LAB_PREREQUISITE when a cluster of so many nodes would find none left */
export function checkInotify(nodes: number, used: number = countInstances(), limit: number = readLimit()): void {
  const needed = nodes * perNode + perControlPlane
  if (used + needed <= limit) return
  fail(LAB_PREREQUISITE, {
    missing: `this lab needs ${needed} inotify instances, and ${Math.max(0, limit - used)} of ${limit} are left`,
    advice: 'run: sysctl -w fs.inotify.max_user_instances=1024',
  })
}

function readLimit(): number {
  return Number(readFileSync('/proc/sys/fs/inotify/max_user_instances', 'utf8'))
}

/** Instances that root's processes hold. Processes that end meanwhile hold none. */
function countInstances(): number {
  let count = 0
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    try {
      for (const file of readdirSync(`/proc/${pid}/fd`)) {
        if (readlinkSync(`/proc/${pid}/fd/${file}`) === 'anon_inode:inotify') count++
      }
    } catch (thrown) {
      const {code} = thrown as NodeJS.ErrnoException
      if (code !== 'ENOENT' && code !== 'ESRCH' && code !== 'EACCES') throw thrown
    }
  }
  return count
}
