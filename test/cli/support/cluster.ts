/** A cluster for a program that runs beside the test: the API server in memory and a kubeconfig that leads to it. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {makeChart} from '../../../src/cli/chart/chart.ts'
import {
  encodeRelease,
  makeRelease,
  releaseSecretType,
  secretLabels,
  secretName,
} from '../../../src/cli/chart/release.ts'
import {renderChart} from '../../../src/cli/chart/render.ts'
import {type Tree, toValue} from '../../../src/cli/chart/template/value.ts'
import {withDefaults} from '../../../src/cli/chart/values.ts'
import {resources} from '../../../src/k8s/resources.ts'
import {type ApiServer, startApiServer} from '../../support/api/api-server.ts'

export interface TestCluster extends AsyncDisposable {
  readonly server: ApiServer
  readonly env: Readonly<Record<string, string>>
}

export async function testCluster(): Promise<TestCluster> {
  const server = await startApiServer()
  const folder = mkdtempSync(join(tmpdir(), 'cilium-cluster-'))
  const kubeconfig = join(folder, 'kubeconfig')
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{name: 'test', cluster: {server: server.url}}],
    users: [{name: 'test', user: {token: 'none'}}],
    contexts: [{name: 'test', context: {cluster: 'test', user: 'test'}}],
    'current-context': 'test',
  }
  writeFileSync(kubeconfig, JSON.stringify(config))
  return {
    server,
    env: {KUBECONFIG: kubeconfig},
    async [Symbol.asyncDispose]() {
      await server.stop()
      rmSync(folder, {recursive: true, force: true})
    },
  }
}

/** Puts a release in as an installation leaves it. @param templates by file name below templates/ */
export async function putRelease(
  server: ApiServer,
  templates: Readonly<Record<string, string>>,
  defaults: object,
  values: object,
): Promise<void> {
  const chart = makeChart(
    new Map([
      ['Chart.yaml', 'name: cilium\nversion: 1.0.0\nappVersion: 1.0.0\napiVersion: v2\n'],
      ['values.yaml', JSON.stringify(defaults)],
      ...Object.entries(templates).map(([name, text]) => [`templates/${name}`, text] as const),
    ]),
    'a test',
  )
  const user = toValue(values) as Tree
  const facts = {releaseName: 'cilium', namespace: 'kube-system', revision: 1}
  const rendered = renderChart(chart, withDefaults(user, chart.values).values, {
    ...facts,
    isUpgrade: false,
    kubernetesVersion: 'v1.34.0',
  })
  const now = new Date()
  const release = makeRelease({
    name: 'cilium',
    namespace: 'kube-system',
    revision: 1,
    chart,
    values: user,
    rendered,
    status: 'deployed',
    description: 'Install complete',
    now,
  })
  server.put(resources.secrets, {
    metadata: {name: secretName('cilium', 1), namespace: 'kube-system', labels: secretLabels(release, now, true)},
    ...({type: releaseSecretType, data: {release: await encodeRelease(release)}} as object),
  })
}
