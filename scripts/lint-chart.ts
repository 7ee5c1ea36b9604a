/**
 * Checks of the chart: templates keep to the subset, every value has a meaning and a schema, what is made of them is
 * fresh, and the chart is of this version. One line a finding; exit 1 when there is one.
 */
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {loadChart} from '../src/cli/chart/chart.ts'
import {laterValues} from '../src/cli/chart/later-values.ts'
import {lintTemplates} from '../src/cli/chart/lint.ts'
import {checkSchema} from '../src/cli/chart/schema.ts'
import {tree} from '../src/cli/chart/template/value.ts'
import {withDefaults} from '../src/cli/chart/values.ts'
import {generatedFiles} from './generate-values.ts'
import {chartFolder, readValuesSource} from './values-source.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

/** All findings about the chart in this repository. */
export async function lintChart(): Promise<readonly string[]> {
  const chart = await loadChart(chartFolder)
  const findings = lintTemplates(chart).map(({place, text}) => `${place}: ${text}`)
  const {version} = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {version: string}
  if (chart.version !== version || chart.appVersion !== version) {
    findings.push(`Chart.yaml: version and appVersion have to be ${version}, as in package.json`)
  }
  for (const value of readValuesSource()) {
    if (value.text === '' && !value.isGroup) findings.push(`values.yaml:${value.line}: ${value.path} has no comment`)
  }
  for (const [path, accepted] of laterValues(chart)) {
    if (!Array.isArray(accepted)) findings.push(`_later.tpl: ${path} needs the list of what is accepted`)
  }
  checkSchema(chart, withDefaults(tree(), chart.values).values)
  for (const [path, text] of await generatedFiles()) {
    if (readFileSync(join(root, path), 'utf8') !== text)
      findings.push(`${path}: out of date, run node scripts/generate-values.ts`)
  }
  return findings
}

if (import.meta.main) {
  const findings = await lintChart()
  for (const finding of findings) process.stderr.write(`${finding}\n`)
  process.exitCode = findings.length > 0 ? 1 : 0
}
