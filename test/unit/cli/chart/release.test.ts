import {gunzipSync} from 'node:zlib'
import {describe, expect, test} from 'vitest'
import {chartFolder} from '../../../../scripts/values-source.ts'
import {loadChart} from '../../../../src/cli/chart/chart.ts'
import {
  chartOf,
  decodeRelease,
  encodeRelease,
  makeRelease,
  objectsOf,
  type ReleaseSecret,
  valuesOf,
} from '../../../../src/cli/chart/release.ts'
import {renderChart} from '../../../../src/cli/chart/render.ts'
import {type Tree, toPlain, toValue} from '../../../../src/cli/chart/template/value.ts'
import {withDefaults} from '../../../../src/cli/chart/values.ts'

const chart = await loadChart(chartFolder)
const values = toValue({MTU: 1400, debug: {enabled: true}}) as Tree
const options = {
  releaseName: 'cilium',
  namespace: 'kube-system',
  revision: 3,
  isUpgrade: false,
  kubernetesVersion: 'v1.34.0',
}
const rendered = renderChart(chart, withDefaults(values, chart.values).values, options)
const release = makeRelease({
  name: 'cilium',
  namespace: 'kube-system',
  revision: 3,
  chart,
  values,
  rendered,
  status: 'deployed',
  description: 'Install complete',
  now: new Date('2026-01-02T03:04:05Z'),
})
const secret = (data: string): ReleaseSecret => ({metadata: {name: 's'}, data: {release: data}})

describe('a release', () => {
  test('is read as it was written', async () => {
    expect(await decodeRelease(secret(await encodeRelease(release)))).toEqual(JSON.parse(JSON.stringify(release)))
  })

  test('lies in two layers of base64 around gzip, as Helm has it', async () => {
    const inner = Buffer.from(await encodeRelease(release), 'base64').toString('ascii')
    const json = JSON.parse(gunzipSync(Buffer.from(inner, 'base64')).toString('utf8'))

    expect(json).toMatchObject({name: 'cilium', version: 3, namespace: 'kube-system', config: {MTU: 1400}})
    expect(json.info).toEqual({
      first_deployed: '2026-01-02T03:04:05.000Z',
      last_deployed: '2026-01-02T03:04:05.000Z',
      deleted: '',
      description: 'Install complete',
      status: 'deployed',
      notes: rendered.notes,
    })
  })

  test('without gzip is read too', async () => {
    const plain = Buffer.from(Buffer.from(JSON.stringify(release)).toString('base64')).toString('base64')

    expect((await decodeRelease(secret(plain))).version).toBe(3)
  })

  test('renders again from itself, to the same manifests', () => {
    const again = renderChart(
      chartOf(release),
      withDefaults(valuesOf(release), chartOf(release).values).values,
      options,
    )

    expect(again.manifests.map(({text}) => text)).toEqual(rendered.manifests.map(({text}) => text))
  })

  test('knows its objects', () => {
    expect(objectsOf(release).map(toPlain)).toEqual(rendered.manifests.map(({object}) => toPlain(object)))
  })

  test('fits into a Secret many times over', async () => {
    expect((await encodeRelease(release)).length).toBeLessThan(200_000)
  })
})

describe('what cannot be read says why', () => {
  test.each([
    ['no key', {metadata: {name: 's'}, data: {}}, 'it has no key "release"'],
    ['no JSON', secret(Buffer.from(Buffer.from('x').toString('base64')).toString('base64')), 'not valid JSON'],
    [
      'another document',
      secret(Buffer.from(Buffer.from('{}').toString('base64')).toString('base64')),
      'it is not a release',
    ],
    ['a cut archive', secret(Buffer.from('H4sIAAAAAAAA').toString('base64')), 'unexpected end of file'],
  ])('%s', async (_, given, detail) => {
    await expect(decodeRelease(given)).rejects.toMatchObject({
      code: 'RELEASE_UNREADABLE',
      fields: {name: 's', detail: expect.stringContaining(detail) as string},
    })
  })
})
