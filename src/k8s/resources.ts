/** The kinds we deal with: where the API serves them, and the fields of theirs that we use. */

/** Where the API serves a kind. */
export interface Resource {
  /** empty for the core group */
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
}

function resource(group: string, version: string, plural: string, kind: string, namespaced: boolean): Resource {
  return {group, version, plural, kind, namespaced}
}

/** Kinds by the name we use in code. */
export const resources = {
  namespaces: resource('', 'v1', 'namespaces', 'Namespace', false),
  nodes: resource('', 'v1', 'nodes', 'Node', false),
  pods: resource('', 'v1', 'pods', 'Pod', true),
  services: resource('', 'v1', 'services', 'Service', true),
  configMaps: resource('', 'v1', 'configmaps', 'ConfigMap', true),
  secrets: resource('', 'v1', 'secrets', 'Secret', true),
  serviceAccounts: resource('', 'v1', 'serviceaccounts', 'ServiceAccount', true),
  events: resource('', 'v1', 'events', 'Event', true),
  endpointSlices: resource('discovery.k8s.io', 'v1', 'endpointslices', 'EndpointSlice', true),
  networkPolicies: resource('networking.k8s.io', 'v1', 'networkpolicies', 'NetworkPolicy', true),
  ingresses: resource('networking.k8s.io', 'v1', 'ingresses', 'Ingress', true),
  leases: resource('coordination.k8s.io', 'v1', 'leases', 'Lease', true),
  daemonSets: resource('apps', 'v1', 'daemonsets', 'DaemonSet', true),
  deployments: resource('apps', 'v1', 'deployments', 'Deployment', true),
  statefulSets: resource('apps', 'v1', 'statefulsets', 'StatefulSet', true),
  replicaSets: resource('apps', 'v1', 'replicasets', 'ReplicaSet', true),
  jobs: resource('batch', 'v1', 'jobs', 'Job', true),
  cronJobs: resource('batch', 'v1', 'cronjobs', 'CronJob', true),
  podDisruptionBudgets: resource('policy', 'v1', 'poddisruptionbudgets', 'PodDisruptionBudget', true),
  roles: resource('rbac.authorization.k8s.io', 'v1', 'roles', 'Role', true),
  roleBindings: resource('rbac.authorization.k8s.io', 'v1', 'rolebindings', 'RoleBinding', true),
  clusterRoles: resource('rbac.authorization.k8s.io', 'v1', 'clusterroles', 'ClusterRole', false),
  clusterRoleBindings: resource('rbac.authorization.k8s.io', 'v1', 'clusterrolebindings', 'ClusterRoleBinding', false),
  customResourceDefinitions: resource(
    'apiextensions.k8s.io',
    'v1',
    'customresourcedefinitions',
    'CustomResourceDefinition',
    false,
  ),
  subjectAccessReviews: resource('authorization.k8s.io', 'v1', 'subjectaccessreviews', 'SubjectAccessReview', false),
  selfSubjectAccessReviews: resource(
    'authorization.k8s.io',
    'v1',
    'selfsubjectaccessreviews',
    'SelfSubjectAccessReview',
    false,
  ),
  ciliumNodes: resource('cilium.io', 'v2', 'ciliumnodes', 'CiliumNode', false),
  ciliumEndpoints: resource('cilium.io', 'v2', 'ciliumendpoints', 'CiliumEndpoint', true),
  ciliumIdentities: resource('cilium.io', 'v2', 'ciliumidentities', 'CiliumIdentity', false),
  ciliumNetworkPolicies: resource('cilium.io', 'v2', 'ciliumnetworkpolicies', 'CiliumNetworkPolicy', true),
  ciliumClusterwideNetworkPolicies: resource(
    'cilium.io',
    'v2',
    'ciliumclusterwidenetworkpolicies',
    'CiliumClusterwideNetworkPolicy',
    false,
  ),
  ciliumCidrGroups: resource('cilium.io', 'v2', 'ciliumcidrgroups', 'CiliumCIDRGroup', false),
  ciliumNodeConfigs: resource('cilium.io', 'v2', 'ciliumnodeconfigs', 'CiliumNodeConfig', true),
  ciliumLoadBalancerIpPools: resource(
    'cilium.io',
    'v2',
    'ciliumloadbalancerippools',
    'CiliumLoadBalancerIPPool',
    false,
  ),
  ciliumL2AnnouncementPolicies: resource(
    'cilium.io',
    'v2alpha1',
    'ciliuml2announcementpolicies',
    'CiliumL2AnnouncementPolicy',
    false,
  ),
  ciliumLocalRedirectPolicies: resource(
    'cilium.io',
    'v2',
    'ciliumlocalredirectpolicies',
    'CiliumLocalRedirectPolicy',
    true,
  ),
  ciliumPodIpPools: resource('cilium.io', 'v2alpha1', 'ciliumpodippools', 'CiliumPodIPPool', false),
  ciliumEgressGatewayPolicies: resource(
    'cilium.io',
    'v2',
    'ciliumegressgatewaypolicies',
    'CiliumEgressGatewayPolicy',
    false,
  ),
  ciliumEnvoyConfigs: resource('cilium.io', 'v2', 'ciliumenvoyconfigs', 'CiliumEnvoyConfig', true),
  ciliumClusterwideEnvoyConfigs: resource(
    'cilium.io',
    'v2',
    'ciliumclusterwideenvoyconfigs',
    'CiliumClusterwideEnvoyConfig',
    false,
  ),
} as const satisfies Record<string, Resource>

/** `v1`, `apps/v1`. */
export function apiVersionOf({group, version}: Resource): string {
  return group === '' ? version : `${group}/${version}`
}

/** The URL path of a collection, or of one object in it (its subresource). Names are escaped. */
export function pathOf(
  {group, version, plural, namespaced}: Resource,
  at: {namespace?: string | undefined; name?: string | undefined; subresource?: string | undefined} = {},
): string {
  const parts = group === '' ? ['api', version] : ['apis', group, version]
  if (namespaced && at.namespace !== undefined) parts.push('namespaces', at.namespace)
  parts.push(plural)
  if (at.name !== undefined) parts.push(at.name)
  if (at.subresource !== undefined) parts.push(...at.subresource.split('/'))
  return `/${parts.map(encodeURIComponent).join('/')}`
}

/** The key an object is known by: `namespace/name`, or `name` in cluster scope. */
export function objectKey({metadata}: KubeObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`
}

export interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller?: boolean
  readonly blockOwnerDeletion?: boolean
}

export interface Metadata {
  readonly name: string
  readonly namespace?: string
  readonly uid?: string
  readonly resourceVersion?: string
  readonly generation?: number
  readonly creationTimestamp?: string
  readonly deletionTimestamp?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly ownerReferences?: readonly OwnerReference[]
  readonly finalizers?: readonly string[]
}

/** Any object. */
export interface KubeObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: Metadata
}

/** An object whose name is not known yet or that was never read: what is sent. */
export type NewObject<T extends KubeObject> = Omit<T, 'metadata' | 'status'> & {
  readonly metadata: Omit<Metadata, 'name'> & {readonly name?: string; readonly generateName?: string}
  readonly status?: unknown
}

export interface KubeList<T> {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: {
    readonly resourceVersion: string
    readonly continue?: string
    readonly remainingItemCount?: number
  }
  readonly items: readonly T[]
}

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
  readonly lastHeartbeatTime?: string
  readonly observedGeneration?: number
}

export interface Namespace extends KubeObject {
  readonly status?: {readonly phase?: string}
}

export interface Taint {
  readonly key: string
  readonly value?: string
  readonly effect: string
  readonly timeAdded?: string
}

export interface Node extends KubeObject {
  readonly spec?: {
    readonly podCIDR?: string
    readonly podCIDRs?: readonly string[]
    readonly providerID?: string
    readonly unschedulable?: boolean
    readonly taints?: readonly Taint[]
  }
  readonly status?: {
    readonly addresses?: readonly {readonly type: string; readonly address: string}[]
    readonly conditions?: readonly Condition[]
    readonly nodeInfo?: Readonly<Record<string, string>>
  }
}

export interface ContainerPort {
  readonly name?: string
  readonly containerPort: number
  readonly protocol?: string
  readonly hostPort?: number
  readonly hostIP?: string
}

export interface ContainerState {
  readonly running?: {readonly startedAt?: string}
  readonly waiting?: {readonly reason?: string; readonly message?: string}
  readonly terminated?: {
    readonly exitCode?: number
    readonly reason?: string
    readonly message?: string
    readonly finishedAt?: string
  }
}

export interface Pod extends KubeObject {
  readonly spec?: {
    readonly nodeName?: string
    readonly hostNetwork?: boolean
    readonly serviceAccountName?: string
    readonly containers?: readonly {
      readonly name: string
      readonly image?: string
      readonly ports?: readonly ContainerPort[]
    }[]
    readonly initContainers?: readonly {
      readonly name: string
      readonly restartPolicy?: string
      readonly ports?: readonly ContainerPort[]
    }[]
  }
  readonly status?: {
    readonly phase?: string
    readonly reason?: string
    readonly hostIP?: string
    readonly podIP?: string
    readonly podIPs?: readonly {readonly ip: string}[]
    readonly conditions?: readonly Condition[]
    readonly containerStatuses?: readonly {
      readonly name: string
      readonly ready?: boolean
      readonly restartCount?: number
      readonly containerID?: string
      readonly state?: ContainerState
      readonly lastState?: ContainerState
    }[]
  }
}

export interface ServicePort {
  readonly name?: string
  readonly protocol?: string
  readonly port: number
  readonly targetPort?: number | string
  readonly nodePort?: number
  readonly appProtocol?: string
}

export interface Service extends KubeObject {
  readonly spec?: {
    readonly type?: string
    readonly clusterIP?: string
    readonly clusterIPs?: readonly string[]
    readonly ipFamilies?: readonly string[]
    readonly ipFamilyPolicy?: string
    readonly ports?: readonly ServicePort[]
    readonly selector?: Readonly<Record<string, string>>
    readonly externalIPs?: readonly string[]
    readonly loadBalancerIP?: string
    readonly loadBalancerClass?: string
    readonly loadBalancerSourceRanges?: readonly string[]
    readonly allocateLoadBalancerNodePorts?: boolean
    readonly externalTrafficPolicy?: string
    readonly internalTrafficPolicy?: string
    readonly healthCheckNodePort?: number
    readonly publishNotReadyAddresses?: boolean
    readonly sessionAffinity?: string
    readonly sessionAffinityConfig?: {readonly clientIP?: {readonly timeoutSeconds?: number}}
    readonly trafficDistribution?: string
  }
  readonly status?: {
    readonly loadBalancer?: {
      readonly ingress?: readonly {readonly ip?: string; readonly hostname?: string; readonly ipMode?: string}[]
    }
    readonly conditions?: readonly Condition[]
  }
}

export interface EndpointSlice extends KubeObject {
  readonly addressType?: string
  readonly endpoints?: readonly {
    readonly addresses: readonly string[]
    readonly conditions?: {readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean}
    readonly hostname?: string
    readonly nodeName?: string
    readonly zone?: string
    readonly hints?: {
      readonly forZones?: readonly {readonly name: string}[]
      readonly forNodes?: readonly {readonly name: string}[]
    }
    readonly targetRef?: {
      readonly kind?: string
      readonly namespace?: string
      readonly name?: string
      readonly uid?: string
    }
  }[]
  readonly ports?: readonly {
    readonly name?: string | null
    readonly protocol?: string
    readonly port?: number | null
    readonly appProtocol?: string
  }[]
}

export interface Secret extends KubeObject {
  readonly type?: string
  /** base64 */
  readonly data?: Readonly<Record<string, string>>
}

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>
  readonly binaryData?: Readonly<Record<string, string>>
}

export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string
    readonly leaseDurationSeconds?: number
    readonly acquireTime?: string
    readonly renewTime?: string
    readonly leaseTransitions?: number
  }
}

export interface CustomResourceDefinition extends KubeObject {
  readonly spec?: {
    readonly group: string
    readonly scope: string
    readonly names: {readonly plural: string; readonly kind: string}
    readonly versions: readonly {readonly name: string; readonly served: boolean; readonly storage: boolean}[]
  }
  readonly status?: {readonly conditions?: readonly Condition[]}
}

export interface CiliumNode extends KubeObject {
  readonly spec?: {
    readonly instanceID?: string
    readonly bootid?: string
    readonly addresses?: readonly {readonly type: string; readonly ip: string}[]
    readonly health?: {readonly ipv4?: string; readonly ipv6?: string}
    readonly ingress?: {readonly ipv4?: string; readonly ipv6?: string}
    readonly encryption?: {readonly key?: number}
    readonly ipam?: {
      readonly podCIDRs?: readonly string[]
      readonly pools?: {
        readonly allocated?: readonly {readonly pool: string; readonly cidrs?: readonly string[]}[]
        readonly requested?: readonly {
          readonly pool: string
          readonly needed?: {readonly 'ipv4-addrs'?: number; readonly 'ipv6-addrs'?: number}
        }[]
      }
    }
    readonly nodeidentity?: number
  }
  readonly status?: {
    readonly ipam?: {
      readonly 'operator-status'?: {readonly error?: string}
      readonly used?: Readonly<Record<string, {readonly owner?: string; readonly resource?: string}>>
    }
  }
}

export interface CiliumEndpoint extends KubeObject {
  readonly status?: {
    readonly id?: number
    readonly state?: string
    readonly identity?: {readonly id: number; readonly labels?: readonly string[]}
    readonly networking?: {
      readonly addressing?: readonly {readonly ipv4?: string; readonly ipv6?: string}[]
      readonly node?: string
    }
    readonly encryption?: {readonly key?: number}
    readonly policy?: {
      readonly ingress?: {readonly enforcing?: boolean; readonly state?: string}
      readonly egress?: {readonly enforcing?: boolean; readonly state?: string}
    }
    readonly 'external-identifiers'?: Readonly<Record<string, string>>
    readonly 'named-ports'?: readonly {readonly name: string; readonly port: number; readonly protocol: string}[]
  }
}

export interface CiliumIdentity extends KubeObject {
  readonly 'security-labels'?: Readonly<Record<string, string>>
}
