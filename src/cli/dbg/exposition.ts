import type {Metric} from '../../api/models.ts'

/**
 * Reads metrics in Prometheus' text form: counters, gauges, and the parts of histograms as metrics of their own.
 * Lines that are none are passed over.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export function readExposition(text: string): readonly Metric[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels, number] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)(?:\s+-?\d+)?$/.exec(line) ?? []
    if (name === undefined || number === undefined) return []
    const value = readNumber(number)
    return value === undefined ? [] : [{name, labels: readLabels(labels ?? ''), value}]
  })
}

function readNumber(text: string): number | undefined {
  if (/^\+?Inf$/.test(text)) return Number.POSITIVE_INFINITY
  if (text === '-Inf') return Number.NEGATIVE_INFINITY
  const value = Number(text)
  return text === 'NaN' || Number.isNaN(value) ? undefined : value
}

function readLabels(text: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {}
  for (const [, key, value] of text.matchAll(/([a-zA-Z_]\w*)="((?:\\.|[^"\\])*)"/g)) {
    labels[key!] = value!.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char))
  }
  return labels
}
