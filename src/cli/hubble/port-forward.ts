/** A local port that leads to a Service: each connection to a pod that is ready then, as restarts change them. */
import type {KubeClient} from '../../k8s/client.ts'
import {objects} from '../../k8s/objects.ts'
import {forwardPort, type PodPort, type PortForward} from '../../k8s/port-forward.ts'
import {type Pod, resources, type Service, type ServicePort} from '../../k8s/resources.ts'
import {type CiliumError, fail} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {connectCluster} from '../kubernetes.ts'
import {HUBBLE_SERVICE_EMPTY, HUBBLE_SERVICE_MISSING} from './errors.ts'

const enabling: Readonly<Record<string, string>> = {
  'hubble-relay': 'cilium hubble enable',
  'hubble-ui': 'cilium hubble enable --ui',
}

export interface ServiceForwardOptions {
  readonly cluster: ClusterOptions
  readonly service: 'hubble-relay' | 'hubble-ui'
  /** 0 for any */
  readonly localPort: number
  /** a connection that could not be led on, or broke */
  readonly onError?: (error: CiliumError) => void
}

/** @throws HUBBLE_SERVICE_MISSING, HUBBLE_SERVICE_EMPTY, K8S_PORT_TAKEN */
export async function forwardService(options: ServiceForwardOptions): Promise<PortForward> {
  const {cluster, service, localPort, onError} = options
  const client = await connectCluster(cluster)
  try {
    await findPod(client, cluster.namespace, service)
    const forward = await forwardPort(client, {
      namespace: cluster.namespace,
      target: () => findPod(client, cluster.namespace, service),
      localPort,
      ...(onError === undefined ? {} : {onError}),
    })
    return {
      localPort: forward.localPort,
      async close() {
        await forward.close()
        client.close()
      },
    }
  } catch (thrown) {
    client.close()
    throw thrown
  }
}

/** A ready pod behind the first port of the Service. */
async function findPod(client: KubeClient, namespace: string, name: string): Promise<PodPort> {
  const found = await objects<Service>(client, resources.services).find({namespace, name})
  const port = found?.spec?.ports?.[0]
  const selector = found?.spec?.selector ?? {}
  if (port === undefined || Object.keys(selector).length === 0) {
    return fail(HUBBLE_SERVICE_MISSING, {service: name, namespace, enable: enabling[name] ?? 'cilium hubble enable'})
  }
  const labelSelector = Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(',')
  for await (const pod of objects<Pod>(client, resources.pods).list({namespace, labelSelector})) {
    const number = portOfPod(pod, port)
    if (isReady(pod) && number !== undefined) return {pod: pod.metadata.name, port: number}
  }
  return fail(HUBBLE_SERVICE_EMPTY, {service: name, namespace})
}

function isReady({metadata, status}: Pod): boolean {
  const ready = status?.conditions?.find(({type}) => type === 'Ready')?.status === 'True'
  return ready && metadata.deletionTimestamp === undefined
}

function portOfPod({spec}: Pod, {port, targetPort = port, protocol = 'TCP'}: ServicePort): number | undefined {
  if (typeof targetPort === 'number') return targetPort
  const ports = (spec?.containers ?? []).flatMap((container) => container.ports ?? [])
  return ports.find((one) => one.name === targetPort && (one.protocol ?? 'TCP') === protocol)?.containerPort
}
