/** Kubernetes objects → what the policy model is told, as agents read them. Pure. */
import type {EndpointSlice, Node, Pod} from '../../k8s/resources.ts'
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import {LabelFilter} from '../../model/label-filter.ts'
import {nodeLabels, podLabels} from '../../model/labels.ts'
import {parseProtocol, protocolNumbers} from '../../model/port.ts'
import type {NamedPorts} from '../../policy/cidr-classes.ts'
import type {ClusterFacts, Member} from '../../policy/cluster-model.ts'
import {type Failsafe, failsafePorts} from '../../policy/failsafe.ts'
import {nodeAsPeer} from '../../policy/node-peer.ts'
import {defaultPolicyOptions, type PolicyOptions} from '../../policy/options.ts'
import {checkPolicyObject} from '../../policy/policy-object.ts'
import type {EnforcementMode} from '../../policy/resolve.ts'
import type {CheckedPolicy} from '../../policy/rule.ts'
import {objectLabels, type References} from '../../policy/universe.ts'
import type {CidrGroupObject, ClusterObjects, PolicySource} from './cluster-objects.ts'

type Config = ClusterObjects['config']

/** What the agents' configuration says policies mean. */
export function policyOptionsOf(config: Config): PolicyOptions {
  const on = (key: string, otherwise: boolean) => (config[key] === undefined ? otherwise : config[key] === 'true')
  const {localClusterOnly, nodeSelectors, hostFirewall, extendedProtocols} = defaultPolicyOptions
  return {
    cluster: config['cluster-name'] || defaultPolicyOptions.cluster,
    localClusterOnly: on('policy-default-local-cluster', localClusterOnly),
    nodeSelectors: on('enable-node-selector-labels', nodeSelectors),
    hostFirewall: on('enable-host-firewall', hostFirewall),
    extendedProtocols: on('enable-extended-ip-protocols', extendedProtocols),
  }
}

export function checkSource({kind, object}: PolicySource, options: PolicyOptions): CheckedPolicy {
  return checkPolicyObject(kind, object, options)
}

/** @param policies those to judge by, which need not be the cluster's own; invalid ones count as absent, as for agents */
export function factsOf(cluster: ClusterObjects, policies: readonly PolicySource[]): ClusterFacts {
  const {config} = cluster
  const options = policyOptionsOf(config)
  const checked = policies.map((source) => checkSource(source, options))
  const mode = config['enable-policy']
  return {
    policies: checked.flatMap((one) => (one.ok ? [one.policy] : [])),
    references: referencesOf(cluster),
    options,
    mode: mode === 'always' || mode === 'never' ? mode : ('default' satisfies EnforcementMode),
    cidrMatchesNodes: (config['policy-cidr-match-mode'] ?? '').split(',').includes('nodes'),
    members: membersOf(cluster, options),
    ...(config['host-firewall-failsafe'] === 'false' ? {} : {failsafe: failsafeOf(cluster)}),
  }
}

/** Agents know one port more: that of the address by which they reach the API server, mostly the same. */
function failsafeOf({slices, config}: ClusterObjects): Failsafe {
  const own = slices.filter(
    ({metadata}) =>
      metadata.namespace === 'default' && metadata.labels?.['kubernetes.io/service-name'] === 'kubernetes',
  )
  const apiServer = own.flatMap(({ports}) => (ports ?? []).flatMap(({port}) => port ?? []))
  return failsafePorts({apiServer, health: Number(config['cluster-health-port'] ?? 4240)})
}

function referencesOf({cidrGroups, services, slices}: ClusterObjects): References {
  return {
    cidrGroups: cidrGroups.map(({metadata, spec}: CidrGroupObject) => ({
      name: metadata.name,
      labels: objectLabels(metadata.labels),
      cidrs: (spec?.externalCIDRs ?? []).flatMap((text) => Cidr.parseOrHost(text) ?? []),
    })),
    services: services.map(({metadata, spec}) => ({
      namespace: metadata.namespace ?? '',
      name: metadata.name,
      labels: objectLabels(metadata.labels),
      selector: spec?.selector,
      backends: backendsOf(slices, metadata.namespace ?? '', metadata.name),
    })),
  }
}

function backendsOf(slices: readonly EndpointSlice[], namespace: string, name: string): Ip[] {
  return slices
    .filter(
      ({metadata}) => metadata.namespace === namespace && metadata.labels?.['kubernetes.io/service-name'] === name,
    )
    .flatMap(({endpoints}) => (endpoints ?? []).flatMap(({addresses}) => addresses.flatMap((ip) => Ip.parse(ip) ?? [])))
}

function membersOf({pods, nodes, namespaces, config}: ClusterObjects, options: PolicyOptions): Member[] {
  const {filter} = LabelFilter.parse(config['labels'])
  const namespaceLabels = new Map(namespaces.map(({metadata}) => [metadata.name, metadata.labels]))
  const own = pods.filter(({spec, status}) => spec?.hostNetwork !== true && isAlive(status?.phase))
  return [
    ...own.map((pod) => podMember(pod, namespaceLabels.get(pod.metadata.namespace ?? ''), filter, options)),
    ...nodes.map((node) => nodeMember(node, pods, options, config)),
  ]
}

function isAlive(phase: string | undefined): boolean {
  return phase !== 'Succeeded' && phase !== 'Failed'
}

function podMember(
  {metadata, spec, status}: Pod,
  namespaceLabels: Readonly<Record<string, string>> | undefined,
  filter: LabelFilter,
  {cluster}: PolicyOptions,
): Member {
  const namespace = metadata.namespace ?? ''
  const serviceAccount = spec?.serviceAccountName ?? 'default'
  const labels = podLabels({labels: metadata.labels, namespace, namespaceLabels, serviceAccount, cluster})
  return {
    key: `${namespace}/${metadata.name}`,
    kind: 'pod',
    labels: filter.apply(labels),
    ips: addressesOf(status),
    namedPorts: namedPortsOf(spec),
    node: spec?.nodeName ?? '',
    apiServer: false,
  }
}

/** Where the API server is cannot be read from a node for certain: a static pod of that name tells it. */
function nodeMember(
  {metadata, status}: Node,
  pods: readonly Pod[],
  {cluster, nodeSelectors}: PolicyOptions,
  config: Config,
): Member {
  const apiServer = pods.some(
    (pod) => pod.spec?.nodeName === metadata.name && pod.metadata.labels?.['component'] === 'kube-apiserver',
  )
  const addresses =
    (status as {readonly addresses?: readonly {readonly address: string}[]} | undefined)?.addresses ?? []
  return {
    key: `node/${metadata.name}`,
    kind: 'node',
    labels: nodeLabels(metadata.labels),
    ips: addresses.flatMap(({address}) => Ip.parse(address) ?? []),
    namedPorts: new Map(),
    node: metadata.name,
    apiServer,
    ...(nodeSelectors ? {asPeer: nodeAsPeer(metadata.labels, {cluster, apiServer, list: config['node-labels']})} : {}),
  }
}

function addressesOf(status: Pod['status']): Ip[] {
  const texts = new Set([...(status?.podIPs ?? []).map(({ip}) => ip), ...(status?.podIP ? [status.podIP] : [])])
  return [...texts].flatMap((text) => Ip.parse(text) ?? [])
}

function namedPortsOf(spec: Pod['spec']): NamedPorts {
  const found = new Map<string, {protocol: number; port: number}[]>()
  for (const {name, containerPort, protocol} of (spec?.containers ?? []).flatMap(({ports}) => ports ?? [])) {
    const known = parseProtocol(protocol ?? 'TCP')
    if (name === undefined || name === '' || known === undefined) continue
    found.set(name, [...(found.get(name) ?? []), {protocol: protocolNumbers[known], port: containerPort}])
  }
  return found
}
