/** Rows whose columns default to what does not matter. */
import type {CiliumNodeRow, NodeRow, PodRow} from '../../../src/operator/rows.ts'

export function nodeRow(columns: Partial<NodeRow>): NodeRow {
  return {
    name: 'node1',
    uid: 'node-1',
    resourceVersion: '1',
    addresses: [],
    taints: [],
    network: undefined,
    ...columns,
  }
}

export function ciliumNodeRow(columns: Partial<CiliumNodeRow>): CiliumNodeRow {
  return {
    name: 'node1',
    uid: 'cilium-node-1',
    resourceVersion: '1',
    created: '2026-01-01T00:00:00Z',
    podCidrs: [],
    error: '',
    keep: false,
    ...columns,
  }
}

export function podRow(columns: Partial<PodRow>): PodRow {
  return {
    namespace: 'default',
    name: 'pod',
    uid: 'pod-1',
    node: 'node1',
    ended: false,
    ready: false,
    hostNetwork: false,
    terminating: false,
    startedMs: 0,
    agent: false,
    ...columns,
  }
}
