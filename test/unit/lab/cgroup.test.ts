import {expect, test} from 'vitest'
import {findCgroupMounts} from '../../../src/lab/cgroup.ts'

const line = (point: string, type: string) => `31 23 0:28 / ${point} rw,relatime shared:9 - ${type} ${type} rw`

test('a machine with cgroup v1 beside v2 has both', () => {
  const mounts = [
    line('/sys/fs/cgroup', 'tmpfs'),
    line('/sys/fs/cgroup/cpu', 'cgroup'),
    line('/sys/fs/cgroup/unified', 'cgroup2'),
  ]

  expect(findCgroupMounts(mounts.join('\n'))).toEqual({unified: '/sys/fs/cgroup/unified', v1: ['/sys/fs/cgroup/cpu']})
})

test('a machine with cgroup v2 alone has no v1 hierarchy', () => {
  expect(findCgroupMounts(line('/sys/fs/cgroup', 'cgroup2'))).toEqual({unified: '/sys/fs/cgroup', v1: []})
})

test('a cgroup2 mount of somebody else is not taken', () => {
  const mounts = [line('/run/cilium/cgroupv2', 'cgroup2'), line('/sys/fs/cgroup', 'cgroup2')]

  expect(findCgroupMounts(mounts.join('\n')).unified).toBe('/sys/fs/cgroup')
})

test('a machine without cgroup2 is told how to get it', () => {
  expect(() => findCgroupMounts(line('/sys/fs/cgroup/cpu', 'cgroup'))).toThrow('no cgroup2 file system')
})
