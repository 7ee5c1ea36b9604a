/** A release made by `cilium install`, in the hands of the real Helm and back, on a real API server. */
import {writeFile} from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {chartFolder} from '../../../scripts/values-source.ts'
import {type ReleaseCluster, startReleaseCluster} from '../../support/release-cluster.ts'

let cluster: ReleaseCluster

beforeAll(async () => {
  cluster = await startReleaseCluster()
})
afterAll(async () => cluster?.api.stop())

const env = () => ({KUBECONFIG: cluster.api.kubeconfig, NO_COLOR: '1'})
const cilium: ReleaseCluster['cilium'] = (...args) => cluster.cilium(...args)
const helm: ReleaseCluster['helm'] = (...args) => cluster.helm(...args)
const helmJson: ReleaseCluster['helmJson'] = (...args) => cluster.helmJson(...args)

describe('from the CLI to Helm', () => {
  test('nothing is written by a dry run, nor when a value is wrong', async () => {
    const dry = await cilium('install', '--dry-run')
    const wrong = await cilium('install', '--set', 'ipv4.enabld=true')

    expect(dry.exitCode).toBe(0)
    expect(dry.stdout).toContain('kind: DaemonSet')
    expect(wrong.exitCode).toBe(1)
    expect(wrong.stderr).toContain('did you mean ipv4.enabled?')
    expect(await helmJson('list', '-a')).toEqual([])
    expect((await cluster.api.call('GET', '/apis/apps/v1/namespaces/kube-system/daemonsets')).body.items).toEqual([])
  })

  test('what is installed is a release to Helm', async () => {
    const installed = await cilium('install', '--set', 'MTU=1400')

    expect(installed.stderr).toContain('the default pool overlaps the Services')
    expect(installed.exitCode).toBe(0)
    expect(await helmJson('list')).toMatchObject([
      {name: 'cilium', revision: '1', status: 'deployed', chart: 'cilium-0.1.0'},
    ])
    expect(await helmJson('get', 'values', 'cilium')).toMatchObject({
      ipam: {mode: 'kubernetes'},
      ipv6: {enabled: true},
      MTU: 1400,
    })
    expect((await helm('get', 'manifest', 'cilium')).trim()).toBe((await cilium('install', '--dry-run')).stdout.trim())
    expect(await helm('get', 'notes', 'cilium')).toContain('cilium status --wait')
  })

  test('installing the same again mends what is missing, and nothing else', async () => {
    await cluster.api.call('DELETE', '/api/v1/namespaces/kube-system/configmaps/cilium-config')

    const again = await cilium('install', '-o', 'json')

    expect(JSON.parse(again.stdout)).toMatchObject({created: 1, changed: 0, kept: 13, revision: 1})
    expect((await helmJson('history', 'cilium')).length).toBe(1)
  })

  test('installing with other values is refused, and changes nothing', async () => {
    const refused = await cilium('install', '--set', 'MTU=1500')

    expect(refused.stderr).toContain('INSTALL_EXISTS')
    expect((await helmJson('get', 'values', 'cilium')).MTU).toBe(1400)
  })

  test('Helm upgrades it, and the CLI goes on from there', async () => {
    await helm('upgrade', 'cilium', chartFolder, '--reuse-values', '--set', 'debug.enabled=true')

    const view = JSON.parse((await cilium('config', 'view', '-o', 'json')).stdout)
    const again = await cilium('install', '-o', 'json')

    expect(view).toMatchObject({debug: 'true', mtu: '1400', 'enable-ipv6': 'true'})
    expect(JSON.parse(again.stdout)).toMatchObject({revision: 2, created: 0, changed: 0})
    expect(await helmJson('history', 'cilium')).toMatchObject([{status: 'superseded'}, {status: 'deployed'}])
  })

  test('Helm rolls it back', async () => {
    await helm('rollback', 'cilium', '1')

    const view = JSON.parse((await cilium('config', 'view', '-o', 'json')).stdout)

    expect(view).toMatchObject({debug: 'false', mtu: '1400'})
  })

  test('the version that runs is told from it', async () => {
    expect((await cilium('version')).stdout).toContain('cilium image (running): 0.1.0')
  })

  test('Helm removes it', async () => {
    await helm('uninstall', 'cilium', '--ignore-not-found')

    expect(await helmJson('list', '-a')).toEqual([])
    expect((await cluster.api.call('GET', '/apis/apps/v1/namespaces/kube-system/daemonsets')).body.items).toEqual([])
  })
})

describe('from Helm to the CLI', () => {
  test('what Helm installs is installed to the CLI', async () => {
    await helm('install', 'cilium', chartFolder, '--set', 'ipam.mode=kubernetes,cluster.name=east,cluster.id=3')

    const again = await cilium('install', '-o', 'json')

    expect(JSON.parse(again.stdout)).toMatchObject({revision: 1, created: 0, changed: 0, kept: 14})
    expect((await cilium('version')).stdout).toContain('cilium image (running): 0.1.0')
  })

  test('the CLI shows what it would remove', async () => {
    const shown = await cilium('uninstall', '--dry-run')

    expect(shown.stderr).toContain('DaemonSet kube-system/cilium')
    expect(shown.stderr).toContain('clean every node')
    expect(await helmJson('list')).toMatchObject([{name: 'cilium', status: 'deployed'}])
  })

  test('an installation in another namespace is noticed', async () => {
    const refused = await cilium('install', '-n', 'elsewhere')

    expect(refused.stderr).toContain('INSTALL_OTHER_NAMESPACE')
    expect(refused.stderr).toContain('cilium uninstall -n kube-system')
  })
})

describe('the configuration is changed through the release', () => {
  test('so that Helm knows of it and keeps it', async () => {
    await cilium('config', 'set', 'debug', 'true')
    await helm('upgrade', 'cilium', chartFolder, '--reuse-values', '--set', 'MTU=1300')

    const view = JSON.parse((await cilium('config', 'view', '-o', 'json')).stdout)

    expect(view).toMatchObject({debug: 'true', mtu: '1300'})
    expect(await helmJson('get', 'values', 'cilium')).toMatchObject({extraConfig: {debug: 'true'}})
    expect(
      (await helmJson('history', 'cilium')).map(({status, description}: Record<string, string>) => [
        status,
        description,
      ]),
    ).toEqual([
      ['superseded', 'Install complete'],
      ['superseded', 'config set debug'],
      ['deployed', 'Upgrade complete'],
    ])
  })

  test('and taken back', async () => {
    const deleted = await cilium('config', 'delete', 'debug', '-o', 'json')

    const view = JSON.parse((await cilium('config', 'view', '-o', 'json')).stdout)

    expect(JSON.parse(deleted.stdout)).toMatchObject({key: 'debug', revision: 4, restarted: true})
    expect(view.debug).toBe('false')
  })

  test('and agents are started anew, unless that is not wanted', async () => {
    const restartedAt = async (): Promise<string | undefined> => {
      const {body} = await cluster.api.call('GET', '/apis/apps/v1/namespaces/kube-system/daemonsets/cilium')
      return body.spec.template.metadata.annotations['kubectl.kubernetes.io/restartedAt']
    }
    const before = await restartedAt()

    await cilium('config', 'set', 'debug', 'true', '--no-restart')
    const between = await restartedAt()
    await cilium('config', 'set', 'debug', 'false')

    expect(before).toBeDefined()
    expect(between).toBe(before)
    expect(await restartedAt()).not.toBe(before)
  })

  test('what was not set so is refused', async () => {
    expect((await cilium('config', 'delete', 'mtu')).stderr).toContain('CONFIG_KEY_OF_VALUE')
    expect((await cilium('config', 'set', 'Not A Key', 'x')).exitCode).toBe(2)
  })

  test('no more revisions are kept than Helm keeps', async () => {
    for (let turn = 0; turn < 7; turn++) await cilium('config', 'set', 'debug', String(turn % 2 === 0), '--no-restart')

    const history = await helmJson('history', 'cilium')

    expect(history.length).toBe(10)
    expect(history.at(-1).status).toBe('deployed')
  })
})

describe('half-finished', () => {
  test('an installation that was killed goes on with the next', async () => {
    await helm('uninstall', 'cilium', '--ignore-not-found')
    const killed = execa(process.execPath, ['bin/cilium.js', 'install'], {env: env(), reject: false})
    await until(async () => (await helmJson('list', '-a')).length > 0)
    killed.kill('SIGKILL')
    await killed

    const next = await cilium('install', '-o', 'json')

    expect(JSON.parse(next.stdout)).toMatchObject({revision: 1})
    expect(await helmJson('list')).toMatchObject([{name: 'cilium', status: 'deployed', revision: '1'}])
  })

  test('an object that the server refuses is named before anything is made', async () => {
    await helm('uninstall', 'cilium', '--ignore-not-found')

    const refused = await cilium('install', '--set', 'nodeSelector.not\\ a\\ label=x')

    expect(refused.exitCode).toBe(1)
    expect(refused.stderr).toContain('daemonsets.apps kube-system/cilium')
    expect(await helmJson('list', '-a')).toEqual([])
  })

  test('what belongs to nobody is not taken over unasked', async () => {
    const path = '/api/v1/namespaces/kube-system/configmaps'
    await cluster.api.call('POST', path, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {name: 'cilium-config'},
      data: {mine: 'yes'},
    })

    const refused = await cilium('install')
    const taken = await cilium('install', '--take-ownership')

    expect(refused.stderr).toContain('INSTALL_FOREIGN')
    expect(refused.stderr).toContain('ConfigMap kube-system/cilium-config')
    expect(taken.exitCode).toBe(0)
  })

  test('an API server out of reach is said so', async () => {
    const kubeconfig = join(dirname(cluster.api.kubeconfig), 'unreachable')
    const clusters = [{name: 'c', cluster: {server: 'https://127.0.0.1:1', 'insecure-skip-tls-verify': true}}]
    const contexts = [{name: 'c', context: {cluster: 'c', user: 'u'}}]
    await writeFile(
      kubeconfig,
      JSON.stringify({clusters, contexts, users: [{name: 'u', user: {}}], 'current-context': 'c'}),
    )

    const {exitCode, stderr} = await cilium('install', '--kubeconfig', kubeconfig)

    expect(exitCode).toBe(1)
    expect(stderr).toContain('K8S_UNREACHABLE')
    expect(stderr).toContain('127.0.0.1:1')
  })

  test('no kubeconfig is said so', async () => {
    const {exitCode, stderr} = await execa(process.execPath, ['bin/cilium.js', 'install'], {
      env: {...env(), KUBECONFIG: '/nowhere'},
      reject: false,
    })

    expect(exitCode).toBe(1)
    expect(stderr).toContain('K8S_NO_CONFIG')
  })
})

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await holds()) return
  }
  throw new Error('it did not come')
}
