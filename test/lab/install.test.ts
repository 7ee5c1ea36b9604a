/** An installation that cannot work, on a node whose network works: that network stays, for old pods and for new ones. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {Cluster, until, workloadPod} from '../support/lab/cluster.ts'

const cluster = new Cluster('t-install')
const node = 'node1'

beforeAll(async () => {
  await cluster.down()
  await cluster.up(1, '--cni', 'ptp', '--kube-proxy', 'iptables')
  await cluster.apply(workloadPod('server', node, {app: 'server'}), workloadPod('client', node, {app: 'client'}))
  await cluster.podAddresses('default', 'app=server')
  await cluster.podAddresses('default', 'app=client')
}, 600_000)
afterAll(async () => {
  await cluster.down()
})

/** Codes of HTTP answers from the server, by each of its addresses. */
async function answers(from: string): Promise<readonly string[]> {
  const {addresses} = (await cluster.podAddresses('default', 'app=server')).get('server')!
  return await Promise.all(
    addresses.map((address) => {
      const url = `http://${address.includes(':') ? `[${address}]` : address}:8080/`
      const curl = ['curl', '-s', '-o', '/dev/null', '-m', '5', '-w', '%{http_code}', url]
      return cluster.kubectl('exec', from, '--', ...curl)
    }),
  )
}

const configurations = async () => (await cluster.at(node, 'ls', '/etc/cni/net.d')).trim().split(/\s+/).sort()

describe.each([
  ['an image that there is not', 'image.tag=no-such-tag', /no-such-tag|ErrImage|ImagePull/],
  ['a value that agents refuse', 'extraConfig.routing-mode=sideways', /CONFIG_VALUE_INVALID/],
] as const)('%s', (name, value, reason) => {
  test('is told, and the node keeps its network', async () => {
    const before = await configurations()

    const done = await cluster.cilium('install', '--wait', '--wait-duration', '40s', '--set', value)
    const status = await cluster.cilium('status')

    expect(done.exitCode).not.toBe(0)
    expect(done.stdout + done.stderr + status.stdout).toMatch(reason)
    expect(await configurations()).toEqual(before)
    const fresh = `fresh-${name.split(' ').at(-1)}`
    await cluster.apply(workloadPod(fresh, node, {app: fresh}))
    await cluster.podAddresses('default', `app=${fresh}`)
    for (const from of ['client', fresh]) for (const code of await answers(from)) expect(code).toBe('200')
    expect(await cluster.kubectl('get', 'node', node, '-o', 'jsonpath={.status.conditions[-1:].status}')).toBe('True')
  })

  test('goes away without a trace', async () => {
    await cluster.ciliumOk('uninstall', '--wait')

    await until('the node to be clean', 60_000, async () => {
      const left = await cluster.at(node, 'sh', '-c', 'ls /sys/class/net /sys/fs/bpf | grep -i cilium || true')
      return left.trim() === '' ? true : undefined
    })
    expect(await answers('client')).toContain('200')
  })
})
