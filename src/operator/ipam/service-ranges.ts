/** The addresses of services, as far as a cluster tells: pods must not get any of them. */
import type {KubeClient} from '../../k8s/client.ts'
import {k8sErrors} from '../../k8s/errors.ts'
import {objects} from '../../k8s/objects.ts'
import {type KubeObject, type Resource, resources, type Service} from '../../k8s/resources.ts'
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import {hasCode} from '../../runtime/errors.ts'
import type {Occupied} from './pod-cidrs.ts'

interface ServiceCidr extends KubeObject {
  readonly spec?: {readonly cidrs?: readonly string[]}
}

const serviceCidrs: Resource = {
  group: 'networking.k8s.io',
  version: 'v1',
  plural: 'servicecidrs',
  kind: 'ServiceCIDR',
  namespaced: false,
}

/**
 * Asks for the service ranges (objects since Kubernetes 1.33) and for the address of the API server's own service, which
 * every cluster has. What the cluster does not serve or does not let us see is left out.
 */
export async function readServiceRanges(client: KubeClient, signal: AbortSignal): Promise<Occupied[]> {
  const ranges = await ifAllowed(objects<ServiceCidr>(client, serviceCidrs).listAll({signal}))
  const kubernetes = await ifAllowed(
    objects<Service>(client, resources.services).find({namespace: 'default', name: 'kubernetes'}, {signal}),
  )
  return [
    ...(ranges ?? []).flatMap(({metadata, spec}) =>
      (spec?.cidrs ?? []).flatMap((text) => {
        const cidr = Cidr.parse(text)
        return cidr === undefined ? [] : [{cidr, owner: `service range ${metadata.name}`}]
      }),
    ),
    ...(kubernetes?.spec?.clusterIPs ?? []).flatMap((text) => {
      const ip = Ip.parse(text)
      return ip === undefined ? [] : [{cidr: Cidr.host(ip), owner: 'address of service default/kubernetes'}]
    }),
  ]
}

async function ifAllowed<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (thrown) {
    if (hasCode(thrown, k8sErrors.K8S_NOT_FOUND) || hasCode(thrown, k8sErrors.K8S_FORBIDDEN)) return undefined
    throw thrown
  }
}
