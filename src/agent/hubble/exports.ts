/** Where flows are handed on to, as the agent's options say. */
import {existsSync, readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import type {ExportPlan, OtlpTarget} from '../../hubble/export/export-config.ts'
import type {AgentConfig} from '../config.ts'

const headerPrefix = 'header.'

export function exportsOf(config: AgentConfig): readonly ExportPlan[] {
  const wishes = {
    fieldMask: config['hubble-export-fieldmask'],
    allow: config['hubble-export-allowlist'],
    deny: config['hubble-export-denylist'],
    aggregate: config['hubble-export-fieldaggregate'],
    aggregationMs: config['hubble-export-aggregation-interval'],
  }
  const plans: ExportPlan[] = []
  const path = config['hubble-export-file-path']
  if (path !== '') {
    const file = {
      path,
      maxMegabytes: config['hubble-export-file-max-size-mb'],
      backups: config['hubble-export-file-max-backups'],
      compress: config['hubble-export-file-compress'],
    }
    plans.push({name: 'file', file, ...wishes})
  }
  const endpoint = config['hubble-export-otlp-endpoint']
  if (endpoint !== '') {
    plans.push({
      name: 'otlp',
      otlp: otlpTarget(config, endpoint),
      allow: config['hubble-export-otlp-allowlist'],
      deny: config['hubble-export-otlp-denylist'],
      fieldMask: [],
      aggregate: config['hubble-export-otlp-fieldaggregate'],
      aggregationMs: config['hubble-export-otlp-aggregation-interval'],
    })
  }
  return plans
}

/** The Secret holds ca.crt, tls.crt and tls.key for TLS, and `header.NAME` for each header that is sent. */
function otlpTarget(config: AgentConfig, endpoint: string): OtlpTarget {
  const folder = config['hubble-export-otlp-secret-path']
  const names = folder !== '' && existsSync(folder) ? readdirSync(folder) : []
  const path = (name: string) => (names.includes(name) ? join(folder, name) : '')
  const headers = names
    .filter((name) => name.startsWith(headerPrefix))
    .map((name) => [name.slice(headerPrefix.length).toLowerCase(), readFileSync(join(folder, name), 'utf8').trim()])
  return {
    endpoint,
    signals: config['hubble-export-otlp-signals'].filter((word) => word === 'logs' || word === 'traces'),
    tls: config['hubble-export-otlp-tls']
      ? {authority: path('ca.crt'), certificate: path('tls.crt'), key: path('tls.key')}
      : undefined,
    headers: Object.fromEntries(headers) as Record<string, string>,
  }
}
