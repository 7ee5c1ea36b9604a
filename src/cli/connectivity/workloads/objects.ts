/** The Kubernetes objects that a namespace of the test holds. Pure: from what is wanted to objects. */
import type {Features} from '../features.ts'
import type {ConnectivityOptions, Family} from '../options.ts'
import type {KubernetesObject} from '../test-cluster.ts'
import {foreignNodes, managedNodes, placement} from './placement.ts'

export const ownerLabel = 'app.kubernetes.io/name'
export const ownerValue = 'cilium-cli'
export const echoPort = 8080
export const bytesPort = 9000
/** host ports of the echo pods in the n-th namespace are this + n, so that namespaces do not collide */
const hostPortBase = 4000

export interface WorkloadPlan {
  readonly namespace: string
  /** counted from 1 */
  readonly number: number
  readonly image: string
  readonly options: ConnectivityOptions
  readonly features: Features
}

export type Role = 'client' | 'echo' | 'host' | 'foreign-host'

export interface PlannedWorkload {
  readonly name: string
  readonly kind: 'Deployment' | 'DaemonSet'
  readonly role: Role
}

/** The workloads of a namespace: two clients side by side, a third elsewhere, an echo near and an echo far. */
export function plannedWorkloads({features}: Pick<WorkloadPlan, 'features'>): readonly PlannedWorkload[] {
  const two: readonly PlannedWorkload[] = features.singleNode
    ? []
    : [
        {name: 'client3', kind: 'Deployment', role: 'client'},
        {name: 'echo-other-node', kind: 'Deployment', role: 'echo'},
      ]
  return [
    {name: 'client', kind: 'Deployment', role: 'client'},
    {name: 'client2', kind: 'Deployment', role: 'client'},
    {name: 'echo-same-node', kind: 'Deployment', role: 'echo'},
    ...two,
    {name: 'host-netns', kind: 'DaemonSet', role: 'host'},
    ...(features.foreignNodes.length === 0
      ? []
      : [{name: 'host-netns-non-cilium', kind: 'DaemonSet', role: 'foreign-host'} as const]),
  ]
}

/** All objects of a namespace, in the order they are to be made. */
export function workloadObjects(plan: WorkloadPlan): readonly KubernetesObject[] {
  const names = plannedWorkloads(plan)
  const pods = names.filter(({kind}) => kind === 'Deployment')
  return [
    namespaceObject(plan),
    ...pods.map(({name}) => ({apiVersion: 'v1', kind: 'ServiceAccount', metadata: {name, namespace: plan.namespace}})),
    ...names.map((workload) => workloadObject(plan, workload)),
    ...names.filter(({role}) => role === 'echo').map(({name}) => serviceObject(plan, name)),
    ...(plan.features.localRedirect ? plan.features.families.map((family) => redirectObject(plan, family)) : []),
  ]
}

/** The client of a namespace of its own, beside which policies may look. */
export const neighbour: PlannedWorkload = {name: 'client-ccnp', kind: 'Deployment', role: 'client'}

/** Namespaces of neighbours: two, whichever are tested in. */
export function neighbourNamespaces({namespacePrefix}: ConnectivityOptions): readonly [string, string] {
  return [`${namespacePrefix}-ccnp1`, `${namespacePrefix}-ccnp2`]
}

/** All objects of a neighbour's namespace. */
export function neighbourObjects(plan: WorkloadPlan): readonly KubernetesObject[] {
  const {name} = neighbour
  return [
    namespaceObject(plan),
    {apiVersion: 'v1', kind: 'ServiceAccount', metadata: {name, namespace: plan.namespace}},
    workloadObject(plan, neighbour),
  ]
}

function namespaceObject({namespace, options}: WorkloadPlan): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: namespace,
      labels: {
        [ownerLabel]: ownerValue,
        // node namespaces and raw sockets are what is tested with
        'pod-security.kubernetes.io/enforce': 'privileged',
        'pod-security.kubernetes.io/warn': 'privileged',
        ...options.namespaceLabels,
      },
    },
  }
}

const labelsOf: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  client: {kind: 'client'},
  client2: {kind: 'client', other: 'client'},
  client3: {kind: 'client', other: 'client-other-node'},
  'client-ccnp': {kind: 'client'},
  'echo-same-node': {kind: 'echo', other: 'echo'},
  'echo-other-node': {kind: 'echo', first: 'echo'},
  'host-netns': {kind: 'host-netns'},
  'host-netns-non-cilium': {kind: 'host-netns-non-cilium'},
}

function workloadObject(plan: WorkloadPlan, {name, kind, role}: PlannedWorkload): KubernetesObject {
  const labels = {...labelsOf[name], name}
  const spec =
    role === 'host' || role === 'foreign-host'
      ? hostPodSpec(plan, name, role)
      : role === 'echo'
        ? echoPodSpec(plan, name)
        : clientPodSpec(plan, name)
  return {
    apiVersion: 'apps/v1',
    kind,
    metadata: {name, namespace: plan.namespace, labels},
    spec: {
      ...(kind === 'Deployment' ? {replicas: 1} : {}),
      selector: {matchLabels: {name}},
      template: {metadata: {labels}, spec},
    },
  }
}

function clientPodSpec({image, options}: WorkloadPlan, name: string): Record<string, unknown> {
  const near = {client2: {to: 'client'}, client3: {awayFrom: 'client'}}[name]
  return {
    serviceAccountName: name,
    terminationGracePeriodSeconds: 0,
    containers: [idleContainer(name, image)],
    ...placement(options, near),
  }
}

function echoPodSpec({image, options, features, number}: WorkloadPlan, name: string): Record<string, unknown> {
  return {
    serviceAccountName: name,
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name,
        image,
        imagePullPolicy: 'IfNotPresent',
        command: ['/usr/bin/test-workload'],
        args: [
          ...['--http', String(echoPort), '--tcp-echo', String(bytesPort), '--udp-echo', String(bytesPort)],
          ...['--dns', '53', '--record', 'echo.test=192.0.2.1', '--record', 'echo.test=2001:db8::1'],
        ],
        ports: [
          {
            name: 'http-8080',
            containerPort: echoPort,
            ...(features.hostPort ? {hostPort: hostPortOf(number)} : {}),
          },
          {name: 'dns-udp-53', containerPort: 53, protocol: 'UDP'},
        ],
        readinessProbe: {httpGet: {path: '/', port: echoPort}, periodSeconds: 1, timeoutSeconds: 5},
      },
    ],
    ...placement(options, name === 'echo-same-node' ? {to: 'client'} : {awayFrom: 'client'}),
  }
}

export function hostPortOf(namespaceNumber: number): number {
  return hostPortBase + namespaceNumber
}

function hostPodSpec({image, options}: WorkloadPlan, name: string, role: Role): Record<string, unknown> {
  return {
    hostNetwork: true,
    terminationGracePeriodSeconds: 0,
    containers: [idleContainer(name, image)],
    affinity: {nodeAffinity: role === 'host' ? managedNodes : foreignNodes},
    tolerations: [{operator: 'Exists'}],
    ...(Object.keys(options.nodeSelector).length === 0 || role !== 'host' ? {} : {nodeSelector: options.nodeSelector}),
  }
}

/** An address that nobody has, and that clients are led away from to the echo pod of their node. */
export function redirectedAddress(family: Family, namespaceNumber: number): string {
  return family === 'ipv4' ? `169.254.169.${100 + namespaceNumber}` : `fd00:a9fe:a9fe::${100 + namespaceNumber}`
}

function redirectObject({namespace, number}: WorkloadPlan, family: Family): KubernetesObject {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumLocalRedirectPolicy',
    metadata: {name: `to-echo-${family}`, namespace},
    spec: {
      redirectFrontend: {
        addressMatcher: {ip: redirectedAddress(family, number), toPorts: [{port: '80', protocol: 'TCP'}]},
      },
      redirectBackend: {
        localEndpointSelector: {matchLabels: {name: 'echo-same-node'}},
        toPorts: [{port: String(echoPort), protocol: 'TCP'}],
      },
    },
  }
}

/** Does nothing; commands are run in it. */
function idleContainer(name: string, image: string): Record<string, unknown> {
  return {
    name,
    image,
    imagePullPolicy: 'IfNotPresent',
    command: ['/usr/bin/pause'],
    securityContext: {capabilities: {add: ['NET_RAW']}},
  }
}

function serviceObject({namespace, options}: WorkloadPlan, name: string): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {name, namespace, labels: {kind: 'echo'}},
    spec: {
      type: options.serviceType,
      ipFamilyPolicy: 'PreferDualStack',
      selector: {name},
      ports: [{name: 'http', port: echoPort, targetPort: echoPort}],
    },
  }
}
