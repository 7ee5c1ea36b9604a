/** The chart that this CLI carries, or one in a folder. */
import {existsSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {fail} from '../../runtime/errors.ts'
import {type Chart, loadChart} from '../chart/chart.ts'
import {CHART_UNREADABLE} from '../chart/errors.ts'

/** @param folder --chart-directory; the CLI's own chart when absent. @throws CHART_UNREADABLE */
export async function chartFrom(folder: string | undefined): Promise<Chart> {
  return await loadChart(folder ?? ownChart())
}

/** Found from this file upwards: sources and bundle lie at different depths below the package. */
function ownChart(): string {
  let at = dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const candidate = join(at, 'manifests', 'chart')
    if (existsSync(join(candidate, 'Chart.yaml'))) return candidate
    const above = dirname(at)
    if (above === at)
      return fail(CHART_UNREADABLE, {path: 'manifests/chart', detail: 'it is missing from this installation'})
    at = above
  }
}
