/** Policy objects of tests: short to write, whole when they are sent. */
import type {TestContext} from '../test.ts'
import type {KubernetesObject} from '../test-cluster.ts'

type Fields = Readonly<Record<string, unknown>>

/** A CiliumNetworkPolicy in the namespace of the test. */
export function cnp(name: string, spec: Fields): (context: TestContext) => KubernetesObject {
  return ({namespace}) => ({apiVersion: 'cilium.io/v2', kind: 'CiliumNetworkPolicy', metadata: {name, namespace}, spec})
}

/** A Kubernetes NetworkPolicy in the namespace of the test. */
export function knp(name: string, spec: Fields): (context: TestContext) => KubernetesObject {
  return ({namespace}) => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {name, namespace},
    spec,
  })
}

/** A CiliumClusterwideNetworkPolicy; its name tells whose test it belongs to. */
export function ccnp(name: string, spec: (context: TestContext) => Fields): (context: TestContext) => KubernetesObject {
  return (context) => ({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumClusterwideNetworkPolicy',
    metadata: {name: `${context.namespace}-${name}`},
    spec: spec(context),
  })
}

export function labels(matchLabels: Readonly<Record<string, string>>): Fields {
  return {matchLabels}
}

/** TCP ports as Cilium's kinds write them; with `last` a range. */
export function tcpPorts(port: number | string, last?: number): readonly Fields[] {
  return [{ports: [{port: String(port), protocol: 'TCP', ...(last === undefined ? {} : {endPort: last})}]}]
}

/** Whom names are asked of. */
export const toDns: Fields = {
  toEndpoints: [labels({'k8s:io.kubernetes.pod.namespace': 'kube-system', 'k8s-app': 'kube-dns'})],
  toPorts: [{ports: [{port: '53', protocol: 'ANY'}]}],
}

export const echoRequests: readonly Fields[] = [
  {
    fields: [
      {family: 'IPv4', type: 8},
      {family: 'IPv6', type: 128},
    ],
  },
]
