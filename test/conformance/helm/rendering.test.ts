/** Our renderer against the real Helm: the same values in, the same objects or the same refusal out. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {parseAllDocuments} from 'yaml'
import {chartFolder, readValuesSource} from '../../../scripts/values-source.ts'
import {type Chart, loadChart} from '../../../src/cli/chart/chart.ts'
import {laterValues} from '../../../src/cli/chart/later-values.ts'
import {manifestText, renderChart} from '../../../src/cli/chart/render.ts'
import {checkSchema} from '../../../src/cli/chart/schema.ts'
import {applySet, textValue, typedValue} from '../../../src/cli/chart/set-syntax.ts'
import {parseYaml} from '../../../src/cli/chart/template/go-yaml.ts'
import {type Tree, tree} from '../../../src/cli/chart/template/value.ts'
import {overlay, withDefaults} from '../../../src/cli/chart/values.ts'
import {CiliumError} from '../../../src/runtime/errors.ts'
import {helmProgram} from '../../support/helm.ts'
import {randomValueSets, type ValueSet, writtenValueSets} from '../../support/value-sets.ts'

const seed = Number(process.env['HELM_SEED'] ?? 1)
const randomCount = Number(process.env['HELM_RANDOM'] ?? 120)
const namespace = 'some-namespace'

let helm: string
const chart: Chart = await loadChart(chartFolder)
const folder = mkdtempSync(join(tmpdir(), 'cilium-helm-'))

beforeAll(async () => {
  helm = await helmProgram()
})
afterAll(() => rmSync(folder, {recursive: true, force: true}))

type Outcome = {readonly text: string} | {readonly refused: string}

async function renderWithHelm(values: ValueSet): Promise<Outcome> {
  const args = ['template', 'cilium', chartFolder, '-n', namespace, '--kube-version', version(values)]
  if (values.file !== undefined) {
    const path = join(folder, 'values.yaml')
    writeFileSync(path, values.file)
    args.push('-f', path)
  }
  for (const text of values.set ?? []) args.push('--set', text)
  for (const text of values.setString ?? []) args.push('--set-string', text)
  const done = await execa(helm, args, {reject: false})
  return done.exitCode === 0 ? {text: done.stdout} : {refused: done.stderr}
}

function renderWithOurs(values: ValueSet): Outcome {
  try {
    let user = tree()
    if (values.file !== undefined) user = overlay(user, parseYaml(values.file) as Tree)
    for (const text of values.set ?? []) applySet(text, user, typedValue)
    for (const text of values.setString ?? []) applySet(text, user, textValue)
    const merged = withDefaults(user, chart.values).values
    checkSchema(chart, merged)
    const options = {
      releaseName: 'cilium',
      namespace,
      revision: 1,
      isUpgrade: false,
      kubernetesVersion: version(values),
    }
    return {text: manifestText(renderChart(chart, merged, options).manifests)}
  } catch (thrown) {
    if (!(thrown instanceof CiliumError)) throw thrown
    return {refused: `${thrown.code}: ${thrown.message}`}
  }
}

function version(values: ValueSet): string {
  return values.kubernetesVersion ?? 'v1.34.4'
}

const documents = (text: string): unknown[] => parseAllDocuments(text, {version: '1.1'}).map((one) => one.toJS())

describe('the chart renders as Helm renders it', () => {
  const later = laterValues(chart)
  const all = [...writtenValueSets, ...randomValueSets(randomCount, seed, readValuesSource(), later)]
  const counts = {rendered: 0, refused: 0, sameText: 0}
  afterAll(() => {
    const {rendered, refused, sameText} = counts
    process.stdout.write(
      `${all.length} value sets: ${rendered} rendered (${sameText} to the same bytes), ${refused} refused\n`,
    )
  })

  test.each(all)('$name', async (values) => {
    const [theirs, ours] = [await renderWithHelm(values), renderWithOurs(values)]

    if ('refused' in theirs || 'refused' in ours) {
      counts.refused++
      if (process.env['HELM_SHOW']) process.stdout.write(`${values.name}: ${'refused' in ours ? ours.refused : '-'}\n`)
      expect
        .soft(
          {helm: 'refused' in theirs, ours: 'refused' in ours},
          JSON.stringify([theirs, ours], null, 1).slice(0, 2000),
        )
        .toEqual({
          helm: true,
          ours: true,
        })
      // what the templates refuse, they refuse in the same words
      if ('refused' in ours && 'refused' in theirs && ours.refused.startsWith('VALUES_REFUSED')) {
        expect(theirs.refused).toContain(ours.refused.slice('VALUES_REFUSED: '.length))
      }
    } else {
      counts.rendered++
      expect(documents(ours.text)).toEqual(documents(theirs.text))
      if (ours.text.trim() === theirs.text.trim()) counts.sameText++
    }
  })

  test('a good part of the sets renders, and a good part is refused', () => {
    expect(counts.rendered).toBeGreaterThan(60)
    expect(counts.refused).toBeGreaterThan(20)
  })
})
