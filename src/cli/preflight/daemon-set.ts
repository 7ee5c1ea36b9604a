/** The pods that look at nodes: the agent's image, rights and mounts, and nothing that it would change. */
import type {AnyObject} from '../install/cluster-access.ts'

export const preflightName = 'cilium-preflight'

interface Mount {
  readonly name: string
  readonly mountPath: string
  readonly readOnly?: boolean
}

interface Container {
  readonly name: string
  readonly image?: string
  readonly imagePullPolicy?: string
  readonly securityContext?: unknown
  readonly volumeMounts?: readonly Mount[]
}

/** Folders of the node that are looked into; the agent's others would be made by being mounted. */
const looked = ['etc-cni-netd']

/**
 * @param agent the agent's DaemonSet as the chart renders it
 * @param args of `cilium-agent preflight`
 */
export function preflightDaemonSet(agent: AnyObject, args: readonly string[]): AnyObject {
  const {spec} = (agent['spec'] as {template: {spec: Readonly<Record<string, unknown>>}}).template
  const containers = spec['containers'] as readonly Container[]
  const {
    image,
    imagePullPolicy,
    securityContext,
    volumeMounts = [],
  } = containers.find(({name}) => name === 'cilium-agent') ?? containers[0]!
  const volumes = (spec['volumes'] as readonly {name: string}[] | undefined) ?? []
  const labels = {'k8s-app': preflightName, 'app.kubernetes.io/part-of': 'cilium'}
  const affinity = spec['affinity'] as {nodeAffinity?: unknown} | undefined
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: {name: preflightName, namespace: agent.metadata.namespace, labels},
    spec: {
      selector: {matchLabels: {'k8s-app': preflightName}},
      template: {
        metadata: {labels},
        spec: {
          hostNetwork: true,
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 0,
          tolerations: spec['tolerations'],
          nodeSelector: spec['nodeSelector'],
          securityContext: spec['securityContext'],
          imagePullSecrets: spec['imagePullSecrets'],
          ...(affinity?.nodeAffinity === undefined ? {} : {affinity: {nodeAffinity: affinity.nodeAffinity}}),
          containers: [
            {
              name: 'preflight',
              image,
              imagePullPolicy,
              // what was found stays to be read until the pod is taken away
              command: ['sh', '-c', 'cilium-agent preflight "$@" && exec sleep infinity', 'preflight', ...args],
              securityContext,
              terminationMessagePolicy: 'FallbackToLogsOnError',
              volumeMounts: volumeMounts
                .filter(({name}) => looked.includes(name))
                .map((mount) => ({...mount, readOnly: true})),
            },
          ],
          volumes: volumes.filter(({name}) => looked.includes(name)),
        },
      },
    },
  } as unknown as AnyObject
}
