/** Pods of this node → rows. */
import type {PodRow} from '../state/rows.ts'
import {list, type Metadata, texts} from './object.ts'
import {isPort, protocolOf} from './service.ts'
import {workloadOf} from './workload.ts'

export interface PodObject {
  readonly metadata?: Metadata
  readonly spec?: {
    readonly serviceAccountName?: string
    readonly hostNetwork?: boolean
    readonly containers?:
      | readonly {
          readonly ports?: readonly {
            readonly name?: string
            readonly containerPort?: number
            readonly hostPort?: number
            readonly hostIP?: string
            readonly protocol?: string
          }[]
        }[]
      | null
  }
  readonly status?: {
    readonly phase?: string
    readonly conditions?: readonly {readonly type?: string; readonly status?: string}[] | null
  }
}

export function podRow({metadata, spec, status}: PodObject): PodRow {
  const ports = list(spec?.containers).flatMap((container) => list(container.ports))
  return {
    namespace: metadata?.namespace ?? '',
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    labels: texts(metadata?.labels),
    annotations: relevant(texts(metadata?.annotations)),
    serviceAccount: spec?.serviceAccountName,
    hostNetwork: spec?.hostNetwork === true,
    workload: workloadOf(metadata),
    phase: status?.phase ?? '',
    ready: list(status?.conditions).some((one) => one.type === 'Ready' && one.status === 'True'),
    terminating: metadata?.deletionTimestamp !== undefined,
    namedPorts: ports
      .filter((port) => typeof port.name === 'string' && typeof port.containerPort === 'number')
      .map((port) => ({name: port.name!, port: port.containerPort!, protocol: port.protocol ?? 'TCP'})),
    hostPorts:
      spec?.hostNetwork === true
        ? []
        : ports.flatMap(({hostPort, containerPort, hostIP, protocol: given}) => {
            const protocol = protocolOf(given)
            return isPort(hostPort) && isPort(containerPort) && protocol !== undefined
              ? [{port: hostPort, containerPort, protocol, ip: hostIP || undefined}]
              : []
          }),
  }
}

/** Annotations can be large and are mostly not for us. */
function relevant(annotations: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(annotations).filter(([key]) =>
      /(^|\.)cilium\.io\/|^kubernetes\.io\/(in|e)gress-bandwidth$/.test(key),
    ),
  )
}
