/** Where pods of the test may run. */
import {noScheduleLabel} from '../features.ts'
import type {ConnectivityOptions} from '../options.ts'

const hostnameKey = 'kubernetes.io/hostname'

type Near = {readonly to: string} | {readonly awayFrom: string} | undefined

/** Pod fields that place a pod: on nodes of this network, near another deployment or away from it. */
export function placement(options: ConnectivityOptions, near: Near): Record<string, unknown> {
  const term = (name: string) => ({
    requiredDuringSchedulingIgnoredDuringExecution: [
      {labelSelector: {matchExpressions: [{key: 'name', operator: 'In', values: [name]}]}, topologyKey: hostnameKey},
    ],
  })
  return {
    affinity: {
      nodeAffinity: managedNodes,
      ...(near !== undefined && 'to' in near ? {podAffinity: term(near.to)} : {}),
      ...(near !== undefined && 'awayFrom' in near ? {podAntiAffinity: term(near.awayFrom)} : {}),
    },
    ...(Object.keys(options.nodeSelector).length === 0 ? {} : {nodeSelector: options.nodeSelector}),
    ...(options.tolerations.length === 0
      ? {}
      : {tolerations: options.tolerations.map((key) => ({key, operator: 'Exists'}))}),
  }
}

export const managedNodes = {
  requiredDuringSchedulingIgnoredDuringExecution: {
    nodeSelectorTerms: [{matchExpressions: [{key: noScheduleLabel, operator: 'NotIn', values: ['true']}]}],
  },
}

export const foreignNodes = {
  requiredDuringSchedulingIgnoredDuringExecution: {
    nodeSelectorTerms: [{matchExpressions: [{key: noScheduleLabel, operator: 'In', values: ['true']}]}],
  },
}
