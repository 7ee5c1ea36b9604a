/** Network namespaces of these tests: named kd-*, removed afterwards and before a run that follows a crash. */
import {execFileSync} from 'node:child_process'
import {linkSet} from '../../../src/kernel/netlink/link.ts'
import {NetlinkSocket} from '../../../src/kernel/netlink/socket.ts'
import {createNetns, deleteNetns, inNetns} from '../../../src/kernel/netns.ts'

export interface TestNamespace {
  readonly name: string
  readonly path: string
  /** routing socket of the namespace */
  readonly route: NetlinkSocket
  /** what an independent tool says: `ip -j` with these arguments */
  ip(...args: string[]): Record<string, unknown>[]
  run<T>(work: () => T extends PromiseLike<unknown> ? never : T): T
  close(): void
}

export function testNamespace(name: string): TestNamespace {
  const full = `kd-${name}`
  deleteNetns(full)
  const path = createNetns(full)
  const route = inNetns(path, () => new NetlinkSocket())
  route.run(linkSet(1, {up: true}))
  return {
    name: full,
    path,
    route,
    ip(...args) {
      // without mount changes, unlike `ip netns exec`
      const output = execFileSync('nsenter', [`--net=${path}`, 'ip', '-j', '-d', ...args], {encoding: 'utf8'})
      return output.trim() === '' ? [] : JSON.parse(output)
    },
    run: (work) => inNetns(path, work),
    close() {
      route.close()
      deleteNetns(full)
    },
  }
}
