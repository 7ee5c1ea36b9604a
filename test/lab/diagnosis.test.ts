/** What an operator asks before and after: is anything in the way, and an archive that may be shown to others. */
import {mkdtempSync, rmSync} from 'node:fs'
import {release, tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {kernelState} from '../../src/agent/node/kernel-state.ts'
import type {PreflightReport} from '../../src/cli/preflight/preflight.ts'
import type {SysdumpResult} from '../../src/cli/sysdump/options.ts'
import {plantCanaries} from '../support/lab/canaries.ts'
import {Cluster, imageName, until} from '../support/lab/cluster.ts'

const cluster = new Cluster('t-diagnosis')
const folder = mkdtempSync(join(tmpdir(), 'cilium-diagnosis-'))
const seed = Number(process.env['SEED'] ?? Date.now() % 100_000) + 1
const canaries = plantCanaries(imageName, seed)

beforeAll(async () => {
  await cluster.down()
  await cluster.up(2)
}, 600_000)
afterAll(async () => {
  await cluster.down()
  rmSync(folder, {recursive: true, force: true})
})

describe('preflight', () => {
  const preflight = async (...flags: string[]) => {
    const {exitCode, stdout, stderr} = await cluster.cilium('preflight', '-o', 'json', ...flags)
    if (!stdout.startsWith('{')) throw new Error(stderr)
    return {exitCode, report: JSON.parse(stdout) as PreflightReport}
  }
  const whats = (report: PreflightReport, name: string) => report.nodes[name]?.findings.map(({what}) => what) ?? []

  test('finds nothing on nodes that are ready, and says what their kernels lack', async () => {
    const {exitCode, report} = await preflight()

    expect(report).toMatchObject({errors: 0, warnings: 0, cluster: []})
    expect(Object.keys(report.nodes).sort()).toEqual(['node1', 'node2'])
    expect(exitCode).toBe(0)
  })

  test('finds on each node what is in the way there, and what to do', async () => {
    await cluster.at('node1', 'sh', '-c', 'mkdir -p /etc/cni/net.d; echo "{}" > /etc/cni/net.d/05-other.conflist')
    const serve = `require('net').createServer().listen(4240)`
    const listener = cluster.at('node2', 'timeout', '60', process.execPath, '-e', serve).catch(() => {})
    await until('the listener', 10_000, async () =>
      (await cluster.at('node2', 'ss', '-Hltn')).includes(':4240') ? true : undefined,
    )

    const {exitCode, report} = await preflight('--set', 'k8sServiceHost=192.0.2.1', '--set', 'k8sServicePort=6443')
    await cluster.at('node2', 'pkill', '-f', 'createServer.*4240')
    await listener
    await cluster.at('node1', 'rm', '/etc/cni/net.d/05-other.conflist')

    expect(whats(report, 'node1').join()).toContain('another network is configured in 05-other.conflist')
    expect(whats(report, 'node2').join()).toContain('port 4240 is in use already')
    for (const name of ['node1', 'node2'])
      expect(whats(report, name).join()).toMatch(/API server cannot be reached from this node: 192\.0\.2\.1:6443/)
    for (const {findings} of Object.values(report.nodes))
      for (const {advice} of findings) expect(advice.length).toBeGreaterThan(10)
    expect(exitCode).not.toBe(0)
  })

  test('finds ranges that overlap without a look at nodes', async () => {
    const {exitCode, report} = await preflight(
      ...['--set', 'ipam.mode=cluster-pool', '--set', 'ipam.operator.clusterPoolIPv4PodCIDRList={172.30.0.0/16}'],
    )

    expect(report.cluster.map(({what}) => what).join()).toContain('172.30.0.0/16')
    expect(exitCode).not.toBe(0)
  })

  test('leaves nothing in the cluster', async () => {
    await until('the pods to go', 60_000, async () => {
      const left = await cluster.kubectl('get', 'ds,pods', '-A', '-l', 'app.kubernetes.io/part-of=cilium', '-o', 'name')
      return left === '' ? true : undefined
    })
  })
})

describe('sysdump', () => {
  const dump = async (name: string, ...flags: string[]) => {
    const file = join(folder, name)
    const text = await cluster.ciliumOk('sysdump', '--output-filename', file, '-o', 'json', ...flags)
    const result = JSON.parse(text) as SysdumpResult
    const {stdout} = await execa('unzip', ['-p', result.file], {maxBuffer: 1 << 28})
    const {stdout: names} = await execa('unzip', ['-Z1', result.file])
    return {result, text: stdout, names: names.split('\n')}
  }
  const patient = ['--task-timeout', '4m', '--hubble-flows-timeout', '2m']
  const shown = (text: string) =>
    canaries.texts.filter((one) => text.includes(one) || text.includes(Buffer.from(one).toString('base64')))

  beforeAll(async () => {
    const sets = ['ipv6.enabled=true', ...canaries.values].flatMap((value) => ['--set', value])
    await cluster.ciliumOk('install', '--wait', ...sets)
    await cluster.apply(...canaries.objects)
    await cluster.kubectl('-n', 'kube-system', 'wait', '--for=condition=ready', 'pod/planted', '--timeout=120s')
  }, 300_000)

  test('has what helps, of the cluster and of every agent, and none of two hundred secrets', async () => {
    const {result, text, names} = await dump('whole', '--extra-label-selectors', 'app=planted', ...patient)

    expect(result.failed).toEqual([])
    const agents = (await cluster.kubectl('-n', 'kube-system', 'get', 'pods', '-l', 'k8s-app=cilium', '-o', 'name'))
      .split('\n')
      .map((one) => one.replace('pod/', ''))
    expect(agents).toHaveLength(2)
    for (const agent of agents) {
      expect(names).toContain(`logs/${agent}/cilium-agent.log`)
      expect(names).toContain(`agents/${agent}/cmd/cilium-statedb.json`)
      expect(names).toContain(`flows/${agent}.jsonl`)
    }
    expect(names).toEqual(expect.arrayContaining(['release-values.yaml', 'cilium-status.yaml', 'ciliumnodes.yaml']))
    // what carries them is there
    for (const carrier of ['PLANTED9', 'X-name29', 'part-9.yaml', 'example.org/api-token-9', 'NAME39'])
      expect(text, carrier).toContain(carrier)
    expect(names).toContain('logs/planted/side.log')
    expect(canaries.texts).toHaveLength(200)
    expect(shown(text), `seed ${seed}`).toEqual([])
  })

  test('--quick asks no agent', async () => {
    const {names, text} = await dump('quick', '--quick')

    expect(names).toContain('pods.yaml')
    expect(names.filter((name) => /^(agents|logs|flows)\//.test(name))).toEqual([])
    expect(shown(text)).toEqual([])
  })

  test('limits logs', async () => {
    const {result} = await dump('small', '--logs-limit-bytes', '200', '--hubble-flows-count', '0', ...patient)

    expect(result.failed).toEqual([])
    const {stdout} = await execa('unzip', ['-l', result.file])
    const sizes = stdout.split('\n').flatMap((line) => /^\s*(\d+).* logs\//.exec(line)?.[1] ?? [])
    expect(sizes.length).toBeGreaterThan(4)
    // lines carry their time, which does not count
    expect(Math.max(...sizes.map(Number))).toBeLessThan(1_000)
  })

  test('the status, asked for all, says of the kernel of each node what it lacks', async () => {
    const {kernels} = JSON.parse(await cluster.ciliumOk('status', '--verbose', '-o', 'json'))
    const text = await cluster.ciliumOk('status', '--verbose')

    const {missing} = kernelState()
    expect(Object.keys(kernels).sort()).toEqual(['node1', 'node2'])
    for (const one of Object.values(kernels)) expect(one).toMatchObject({release: release(), missing})
    expect(text).toMatch(new RegExp(`Kernels: +node1 +${release()}`))
    for (const feature of missing) expect(text).toContain(feature)
  })

  test('works with half of the cluster down, and says what it did not get', async () => {
    await cluster.at('node2', 'pkill', '-KILL', '-x', 'kubelet')
    const path = `jsonpath={.items[?(@.spec.nodeName=="node2")].metadata.name}`
    const [lost = ''] = (
      await cluster.kubectl('-n', 'kube-system', 'get', 'pods', '-l', 'k8s-app=cilium', '-o', path)
    ).split(' ')

    const {result, names, text} = await dump('half', ...patient)

    expect(names).toContain('ciliumendpoints.yaml')
    expect(names.filter((name) => name.endsWith('cilium-statedb.json'))).toHaveLength(1)
    expect(result.failed.map(({task}) => task)).toContain(`agent ${lost}`)
    for (const {task} of result.failed) expect(text).toContain(task)
  })
})
