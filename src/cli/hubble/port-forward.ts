/** A local port that leads to the cluster's relay. */

import {objects} from '../../k8s/objects.ts'
import {forwardPort, type PortForward} from '../../k8s/port-forward.ts'
import {type Pod, resources} from '../../k8s/resources.ts'
import {fail} from '../../runtime/errors.ts'
import {connectCluster} from '../kubernetes.ts'
import {HUBBLE_RELAY_MISSING} from './errors.ts'

export interface RelayForwardOptions {
  readonly kubeconfig: string | undefined
  readonly context: string | undefined
  readonly namespace: string
  readonly localPort: number
}

const relayPort = 4245

/** @throws HUBBLE_RELAY_MISSING, K8S_PORT_TAKEN */
export async function forwardRelay({
  kubeconfig,
  context,
  namespace,
  localPort,
}: RelayForwardOptions): Promise<PortForward> {
  const client = await connectCluster({
    namespace,
    helmReleaseName: 'cilium',
    ...(kubeconfig === undefined ? {} : {kubeconfig}),
    ...(context === undefined ? {} : {context}),
  })
  let pod: string | undefined
  for await (const {metadata, status} of objects<Pod>(client, resources.pods).list({
    namespace,
    labelSelector: 'k8s-app=hubble-relay',
  })) {
    if (status?.phase === 'Running') pod = metadata.name
  }
  if (pod === undefined) {
    client.close()
    return fail(HUBBLE_RELAY_MISSING, {namespace})
  }
  const forward = await forwardPort(client, {namespace, pod, port: relayPort, localPort})
  return {
    localPort: forward.localPort,
    async close() {
      await forward.close()
      client.close()
    },
  }
}
