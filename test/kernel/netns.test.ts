import {execFileSync} from 'node:child_process'
import {existsSync, readdirSync, readFileSync, readlinkSync} from 'node:fs'
import {stat} from 'node:fs/promises'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {closeFd} from '../../src/kernel/libc.ts'
import {createNetns, deleteNetns, inNetns, netnsIdentity, openNetns, threadNamespaces} from '../../src/kernel/netns.ts'

const names = ['kd-netns-a', 'kd-netns-b']
const here = () => readlinkSync('/proc/thread-self/ns/net')

beforeEach(() => {
  for (const name of names) deleteNetns(name)
})
afterEach(() => {
  for (const name of names) deleteNetns(name)
})

test('work is done in the other namespace and the thread comes back', () => {
  const before = here()
  const path = createNetns('kd-netns-a')

  const devices = inNetns(path, () => readFileSync('/proc/thread-self/net/dev', 'utf8').match(/\w+(?=:)/g))

  expect(devices).toEqual(['lo'])
  expect(here()).toBe(before)
})

test('a namespace that was made is one for other tools, too', () => {
  createNetns('kd-netns-a')

  const listed = execFileSync('ip', ['-j', 'netns', 'list'], {encoding: 'utf8'})

  expect(JSON.parse(listed)).toContainEqual(expect.objectContaining({name: 'kd-netns-a'}))
  expect(() => execFileSync('ip', ['netns', 'exec', 'kd-netns-a', 'true'])).not.toThrow()
})

test('a visit within a visit returns to the first', () => {
  const a = createNetns('kd-netns-a')
  const b = createNetns('kd-netns-b')
  const outside = here()

  const seen = inNetns(a, () => {
    const first = here()
    const second = inNetns(b, here)
    return [first, second, here()]
  })

  expect(seen[0]).toBe(seen[2])
  expect(new Set([outside, seen[0], seen[1]]).size).toBe(3)
  expect(here()).toBe(outside)
})

test('the thread comes back when the work throws', () => {
  const path = createNetns('kd-netns-a')
  const before = here()

  const visit = () =>
    inNetns(path, () => {
      throw new Error('inside')
    })

  expect(visit).toThrow('inside')
  expect(here()).toBe(before)
})

test('work that returns a promise is refused', () => {
  const path = createNetns('kd-netns-a')
  const asynchronous = (async () => 1) as unknown as () => number

  expect(() => inNetns(path, asynchronous)).toThrow(expect.objectContaining({code: 'NETNS_MISUSED'}))
})

test('after visits every thread, the pool included, is in one namespace', async () => {
  const path = createNetns('kd-netns-a')

  for (let i = 0; i < 100; i++) inNetns(path, here)
  await Promise.all(Array.from({length: 16}, () => stat('/')))

  expect(threadNamespaces()).toEqual([here()])
})

test('a process that visits before it used its thread pool keeps the pool at home', () => {
  createNetns('kd-netns-a')
  const script = `
    import {stat} from 'node:fs/promises'
    import {inNetns, threadNamespaces} from '${new URL('../../src/kernel/netns.ts', import.meta.url).pathname}'
    inNetns('/run/netns/kd-netns-a', () => { import('node:fs').then(() => {}); return 1 })
    await Promise.all(Array.from({length: 16}, () => stat('/')))
    console.log(threadNamespaces().length)`

  const output = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script], {encoding: 'utf8'})

  expect(output.trim()).toBe('1')
})

test('a namespace opened by process, name and path is the same', () => {
  createNetns('kd-netns-a')
  const fds = [
    openNetns({name: 'kd-netns-a'}),
    openNetns({path: '/run/netns/kd-netns-a'}),
    inNetns('/run/netns/kd-netns-a', () => openNetns({path: '/proc/thread-self/ns/net'})),
    openNetns({pid: process.pid}),
  ]

  const [name, path, inside, own] = fds.map(netnsIdentity)
  for (const fd of fds) closeFd(fd)

  expect([path, inside]).toEqual([name, name])
  expect(own).not.toBe(name)
})

test('a name that is taken is refused and stays as it was', () => {
  createNetns('kd-netns-a')

  expect(() => createNetns('kd-netns-a')).toThrow(/EEXIST/)
  expect(inNetns('/run/netns/kd-netns-a', here)).toMatch(/^net:/)
})

test('a namespace is removed once, and again without complaint', () => {
  const path = createNetns('kd-netns-a')

  deleteNetns('kd-netns-a')
  deleteNetns('kd-netns-a')

  expect(existsSync(path)).toBe(false)
})

test('visits leave no descriptor open', () => {
  const path = createNetns('kd-netns-a')
  inNetns(path, here)
  const before = readdirSync('/proc/self/fd').length

  for (let i = 0; i < 50; i++) inNetns(path, here)

  expect(readdirSync('/proc/self/fd').length).toBe(before)
})
