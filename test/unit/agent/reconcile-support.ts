/** Tables with a namespace and pods, and a log that is kept. */
import type {PodRow} from '../../../src/agent/state/rows.ts'
import {createTables, type Tables} from '../../../src/agent/state/tables.ts'

export function tablesWith(...pods: readonly PodRow[]): Tables {
  const tables = createTables()
  tables.namespaces.upsert({name: 'default', labels: {}})
  for (const one of pods) tables.pods.upsert(one)
  return tables
}

export function pod(name: string, labels: Record<string, string>, more: Partial<PodRow> = {}): PodRow {
  return {
    namespace: 'default',
    name,
    uid: `uid-${name}`,
    labels,
    annotations: {},
    serviceAccount: undefined,
    hostNetwork: false,
    workload: {name, kind: 'Pod'},
    phase: 'Running',
    ready: true,
    terminating: false,
    namedPorts: [],
    hostPorts: [],
    ...more,
  }
}

/** Lets everything that is due happen: subscriptions, promises that are settled. */
export async function turn(times = 5): Promise<void> {
  for (let i = 0; i < times; i++) await new Promise((resolve) => setImmediate(resolve))
}
