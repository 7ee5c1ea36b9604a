/** `cilium upgrade` and the real Helm go on from each other. */
import {cp, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {chartFolder} from '../../../scripts/values-source.ts'
import {type ReleaseCluster, startReleaseCluster} from '../../support/release-cluster.ts'

let cluster: ReleaseCluster
/** the chart with another version and another default */
let nextChart: string

beforeAll(async () => {
  cluster = await startReleaseCluster()
  nextChart = await mkdtemp(join(tmpdir(), 'cilium-chart-'))
  await cp(chartFolder, nextChart, {recursive: true})
  const edit = async (file: string, from: RegExp, to: string) => {
    const text = await readFile(join(nextChart, file), 'utf8')
    expect(text).toMatch(from)
    await writeFile(join(nextChart, file), text.replace(from, to))
  }
  await edit('Chart.yaml', /^version: .*/m, 'version: 0.2.0')
  await edit('values.yaml', /^terminationGracePeriodSeconds: .*/m, 'terminationGracePeriodSeconds: 7')
  const installed = await cluster.cilium('install', '--set', 'MTU=1400', '--set', 'debug.enabled=true')
  expect(installed.exitCode).toBe(0)
})
afterAll(async () => {
  await cluster?.api.stop()
  if (nextChart) await rm(nextChart, {recursive: true})
})

const cilium: ReleaseCluster['cilium'] = (...args) => cluster.cilium(...args)
const helm: ReleaseCluster['helm'] = (...args) => cluster.helm(...args)
const helmJson: ReleaseCluster['helmJson'] = (...args) => cluster.helmJson(...args)
const config = async () => JSON.parse((await cilium('config', 'view', '-o', 'json')).stdout as string)
const daemonSet = async () =>
  (await cluster.api.call('GET', '/apis/apps/v1/namespaces/kube-system/daemonsets/cilium')).body
const grace = async () => (await daemonSet()).spec.template.spec.terminationGracePeriodSeconds
const history = async () =>
  (await helmJson('history', 'cilium')).map(({revision, status, description}: Record<string, string>) => [
    revision,
    status,
    description,
  ])

describe('a dry run', () => {
  test('shows fields before and after, and changes nothing', async () => {
    const shown = await cilium('upgrade', '--dry-run', '--set', 'MTU=1300', '--set', 'logOptions.format=json')

    expect(shown.exitCode).toBe(0)
    expect(shown.stdout).toMatch(/MTU +1400 → 1300/)
    expect(shown.stdout).toMatch(/~ ConfigMap kube-system\/cilium-config\n +data\.mtu +1400 → 1300/)
    expect(shown.stdout).toContain('--restart lets them start anew')
    expect(await history()).toEqual([[1, 'deployed', 'Install complete']])
    expect((await config()).mtu).toBe('1400')
  })

  test('to the chart that runs shows that no object changes', async () => {
    expect((await cilium('upgrade', '--dry-run')).stdout).toContain('No object changes.')
  })

  test('as JSON names objects and fields', async () => {
    const shown = JSON.parse(
      (await cilium('upgrade', '--dry-run', '--chart-directory', nextChart, '-o', 'json')).stdout as string,
    )

    expect(shown.to).toEqual({version: '0.2.0', revision: 2})
    const agent = shown.changed.find(({object}: {object: string}) => object === 'DaemonSet kube-system/cilium')
    expect(agent.fields).toContainEqual({
      path: '.spec.template.spec.terminationGracePeriodSeconds',
      before: await grace(),
      after: 7,
    })
  })

  test('prints manifests as Helm would store them', async () => {
    const printed = await cilium('upgrade', '--dry-run-manifests')

    expect((printed.stdout as string).trim()).toBe((await helm('get', 'manifest', 'cilium')).trim())
  })
})

describe('forwards', () => {
  test('values of before are kept upon the defaults of the new chart, and Helm knows', async () => {
    const done = await cilium('upgrade', '--chart-directory', nextChart, '--set', 'MTU=1350', '-o', 'json')

    expect(JSON.parse(done.stdout as string)).toMatchObject({revision: 2, version: '0.2.0'})
    expect(await helmJson('get', 'values', 'cilium')).toMatchObject({MTU: 1350, debug: {enabled: true}})
    expect(await helmJson('list')).toMatchObject([{revision: '2', status: 'deployed', chart: 'cilium-0.2.0'}])
    expect(await grace()).toBe(7)
    expect(await history()).toEqual([
      [1, 'superseded', 'Install complete'],
      [2, 'deployed', 'Upgrade complete'],
    ])
  })

  test('a null takes back what was set', async () => {
    await cilium('upgrade', '--chart-directory', nextChart, '--set', 'MTU=null')

    expect((await helmJson('get', 'values', 'cilium')).MTU).toBeUndefined()
    expect((await config()).mtu).toBeUndefined()
  })

  test('--reuse-values keeps the defaults of before, as Helm does', async () => {
    await cilium('upgrade', '--reuse-values')
    const ours = await grace()
    await helm('rollback', 'cilium', '3')
    await helm('upgrade', 'cilium', chartFolder, '--reuse-values')

    expect(ours).toBe(7)
    expect(await grace()).toBe(7)
  })

  test('--reset-values forgets what was set and finds out about the cluster anew', async () => {
    await cilium('upgrade', '--reset-values', '--set', 'MTU=1280')

    const values = await helmJson('get', 'values', 'cilium')
    expect(values).toMatchObject({MTU: 1280, ipam: {mode: 'kubernetes'}, ipv6: {enabled: true}})
    expect(values.debug).toBeUndefined()
    expect(await config()).toMatchObject({mtu: '1280', debug: 'false'})
  })

  test('a value that the chart does not take is refused before anything is written', async () => {
    const before = await history()

    const refused = await cilium('upgrade', '--set', 'MTU=many')

    expect(refused.exitCode).toBe(1)
    expect(await history()).toEqual(before)
  })

  test('an object that the server refuses is named before anything is written', async () => {
    const before = await history()

    const refused = await cilium('upgrade', '--set', 'nodeSelector.not\\ a\\ label=x')

    expect(refused.stderr).toContain('daemonsets.apps kube-system/cilium')
    expect(await history()).toEqual(before)
  })

  test('two ways to keep values are one too many', async () => {
    expect((await cilium('upgrade', '--reset-values', '--reuse-values')).exitCode).toBe(2)
  })

  test('pods are started anew only when that is asked for', async () => {
    const restartedAt = async () =>
      (await daemonSet()).spec.template.metadata.annotations['kubectl.kubernetes.io/restartedAt']
    await cilium('upgrade', '--set', 'debug.enabled=true')
    const before = await restartedAt()
    await cilium('upgrade', '--restart')

    expect(before).toBeUndefined()
    expect(await restartedAt()).toBeDefined()
  })
})

describe('back', () => {
  test('to the revision before, which Helm shows as its own would be', async () => {
    const [newest] = (await history()).slice(-1)
    await cilium('upgrade', '--set', 'MTU=1290')
    const back = await cilium('upgrade', '--rollback', '-o', 'json')

    expect(JSON.parse(back.stdout as string)).toMatchObject({revision: newest[0] + 2})
    expect((await config()).mtu).toBe('1280')
    expect((await history()).at(-1)).toEqual([newest[0] + 2, 'deployed', `Rollback to ${newest[0]}`])
    expect((await helmJson('get', 'values', 'cilium')).MTU).toBe(1280)
  })

  test('to a revision by its number, and Helm goes back from there', async () => {
    const revision = (await history()).at(-1)[0]
    await cilium('upgrade', '--set', 'MTU=1300')
    await cilium('upgrade', '--set', 'MTU=1310')
    await cilium('upgrade', '--rollback', '--to-revision', String(revision))
    const ours = (await config()).mtu
    await helm('rollback', 'cilium', String(revision + 1))

    expect(ours).toBe('1280')
    expect((await config()).mtu).toBe('1300')
  })

  test('a revision that is not there is refused with those that are', async () => {
    const refused = await cilium('upgrade', '--rollback', '--to-revision', '99')

    expect(refused.stderr).toContain('UPGRADE_NO_REVISION')
    expect(refused.stderr).toContain('(superseded)')
  })

  test('by itself when it does not become ready', async () => {
    const before = (await history()).at(-1)[0]
    // nothing runs pods here: nothing ever becomes ready
    const failed = await cilium(
      'upgrade',
      '--set',
      'MTU=1320',
      '--wait',
      '--wait-duration',
      '1s',
      '--rollback-on-failure',
    )

    expect(failed.exitCode).toBe(1)
    expect(failed.stderr).toContain('UPGRADE_ROLLED_BACK')
    expect((await config()).mtu).toBe('1300')
    expect((await history()).at(-1)).toEqual([before + 2, 'deployed', `Rollback to ${before}`])
  })
})

describe('half-finished', () => {
  test('an upgrade that was killed is gone on with by the next, with the values of the one that ran', async () => {
    const revision = (await history()).at(-1)[0]
    const secret = `/api/v1/namespaces/kube-system/secrets/sh.helm.release.v1.cilium.v${revision + 1}`
    const killed = cluster.start('upgrade', '--set', 'MTU=1330')
    await expect.poll(async () => (await cluster.api.call('GET', secret)).status, {timeout: 30_000}).toBe(200)
    killed.kill('SIGKILL')
    await killed

    const next = await cilium('upgrade', '-o', 'json')

    expect(JSON.parse(next.stdout as string).revision).toBeGreaterThan(revision)
    expect(await helmJson('list')).toMatchObject([{status: 'deployed'}])
  })

  test('what failed to be written is left by the next', async () => {
    expect((await cilium('upgrade', '--dry-run')).stdout).toContain('No object changes.')
  })
})
