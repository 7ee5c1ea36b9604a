/** What runs may do on a real node, and who listens there, against docs/reference/rights.md and what it is made from. */
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {sockets} from '../../scripts/listening-sockets.ts'
import {Cluster, until} from '../support/lab/cluster.ts'

const cluster = new Cluster('t-rights')
const node = 'node1'

/** Numbers of capabilities (linux/capability.h). */
const capabilities = {NET_ADMIN: 12, SYS_ADMIN: 21, PERFMON: 38, BPF: 39} as const
const agentsOwn = Object.values(capabilities).reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n)

const on = [
  'ipv6.enabled=true',
  'prometheus.enabled=true',
  'hubble.relay.enabled=true',
  'hubble.ui.enabled=true',
  'hubble.metrics.enabled={drop,flow}',
  'kubeProxyReplacementHealthzBindAddr=[::]:10256',
]

beforeAll(async () => {
  await cluster.down()
  await cluster.up(1)
  await cluster.ciliumOk('install', '--wait', ...on.flatMap((value) => ['--set', value]))
  await cluster.ciliumOk('status', '--wait')
}, 600_000)
afterAll(async () => {
  await cluster.down()
})

/** Lines of /proc/PID/status of the one process with this command line. */
async function processStatus(pattern: string): Promise<Record<string, string>> {
  const pid = (await cluster.at(node, 'pgrep', '-o', '-f', pattern)).trim()
  const text = await cluster.at(node, 'cat', `/proc/${pid}/status`)
  return Object.fromEntries(text.split('\n').map((line) => line.split(/:\s+/, 2) as [string, string]))
}

const mask = (status: Record<string, string>, name: string) => BigInt(`0x${status[name]}`)

describe('processes', () => {
  test('the agent has four capabilities, and can get no others', async () => {
    const status = await processStatus('cilium-agen[t].js --config-dir')

    for (const name of ['CapPrm', 'CapEff', 'CapBnd']) expect(mask(status, name), name).toBe(agentsOwn)
    for (const name of ['CapInh', 'CapAmb']) expect(mask(status, name), name).toBe(0n)
    expect(status['Seccomp'], 'a filter').toBe('2')
  })

  test.each([
    ['operator', 'cilium-operato[r].js'],
    ['relay', 'hubble-rela[y].js'],
    ['page of Hubble', 'hubble-u[i].js'],
  ])('the %s is nobody and has none', async (_, pattern) => {
    const status = await processStatus(pattern)

    expect(status['Uid']?.split('\t')[0]).toBe('65532')
    for (const name of ['CapPrm', 'CapEff', 'CapBnd', 'CapInh', 'CapAmb']) expect(mask(status, name), name).toBe(0n)
    expect([status['Seccomp'], status['NoNewPrivs']]).toEqual(['2', '1'])
  })

  test('none can write where its image is', async () => {
    for (const workload of ['ds/cilium', 'deploy/cilium-operator', 'deploy/hubble-relay', 'deploy/hubble-ui']) {
      const tried = cluster.kubectl('-n', 'kube-system', 'exec', workload, '--', 'touch', '/usr/bin/planted')
      await expect(tried, workload).rejects.toThrow(/Read-only file system|Permission denied/)
    }
  })

  test('no container that goes on running is privileged', async () => {
    const path = '{range .items[*]}{range .spec.containers[*]}{.name}={.securityContext.privileged}{"\\n"}{end}{end}'
    const labels = ['-l', 'app.kubernetes.io/part-of=cilium']
    const shown = await cluster.kubectl('-n', 'kube-system', 'get', 'pods', ...labels, '-o', `jsonpath=${path}`)

    expect(shown).toContain('cilium-agent=')
    expect(shown).not.toContain('=true')
  })
})

describe('accounts', () => {
  const may = async (account: string, ...question: string[]) => {
    const as = `--as=system:serviceaccount:kube-system:${account}`
    return (await cluster.kubectl('auth', 'can-i', ...question, as).catch(() => 'no')).trim()
  }

  test.each(['cilium', 'cilium-operator', 'hubble-relay', 'hubble-ui'])(
    '%s reads no Secret elsewhere',
    async (account) => {
      expect(await may(account, 'get', 'secrets', '-n', 'default')).toBe('no')
      expect(await may(account, 'list', 'secrets', '-A')).toBe('no')
      expect(await may(account, 'create', 'pods', '-n', 'default')).toBe('no')
    },
  )

  test('the agent of a node reads no Secret at all', async () => {
    expect(await may('cilium', 'get', 'secrets', '-n', 'kube-system')).toBe('no')
    expect(await may('cilium', 'list', 'ciliumidentities.cilium.io')).toBe('yes')
  })
})

describe('sockets', () => {
  /** `tcp *:4240` for each address that somebody of ours, or the kernel for us, listens on. */
  function listening(text: string): string[] {
    const lines = text.split('\n').filter((line) => line.trim() !== '' && !/"(kubelet|containerd)"/.test(line))
    const found = lines.map((line) => {
      const [protocol, , , , local = ''] = line.trim().split(/\s+/)
      return `${protocol} ${local.replace(/^(0\.0\.0\.0|\[::\]):/, '*:')}`
    })
    return [...new Set(found)].sort()
  }
  const documented = (place: string) =>
    sockets
      .filter((one) => one.in === place && one.port !== 0)
      .flatMap(({where, protocol, port}) =>
        (where.includes(':') ? where : `*:${port}`).split(', ').map((one) => `${protocol} ${one}`),
      )
      .sort()

  test('of a node are those of the page', async () => {
    expect(listening(await cluster.at(node, 'ss', '-Hltnup'))).toEqual(documented('node'))
  })

  test.each(['hubble-relay', 'hubble-ui'])('of %s are those of the page', async (name) => {
    const shown = await cluster.kubectl('-n', 'kube-system', 'exec', `deploy/${name}`, '--', 'ss', '-Hltnu')

    expect(listening(shown)).toEqual(documented(name))
  })

  test('by path are those of the page, with the rights it says', async () => {
    const paths = sockets.filter(({protocol}) => protocol === 'unix')
    const text = await cluster.at(node, 'sh', '-c', 'find /var/run/cilium/ -type s -printf "%p %m %u\\n" | sort')

    expect(text.trim().split('\n')).toEqual(
      paths.map(({where, proof}) => `${where} ${/0(\d{3})/.exec(proof)![1]} root`).sort(),
    )
  })

  test('nothing listens once it is switched off', async () => {
    await cluster.ciliumOk('upgrade', '--wait', '--set', 'prometheus.enabled=false', '--set', 'hubble.enabled=false')

    const text = await until('agents without Hubble', 60_000, async () => {
      const shown = await cluster.at(node, 'ss', '-Hltnup')
      return shown.includes(':4244') ? undefined : shown
    })
    for (const port of [4244, 9962, 9965]) expect(text).not.toContain(`:${port} `)
  })
})
