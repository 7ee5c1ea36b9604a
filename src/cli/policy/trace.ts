/** `cilium policy trace`: would something with these labels reach something with those? */

import {type ReservedName, reservedIdentities, reservedLabels} from '../../model/identity.ts'
import {derivedKeys, Label, LabelSet, nodeLabels, podLabels} from '../../model/labels.ts'
import {ClusterModel, type Member} from '../../policy/cluster-model.ts'
import {nodeAsPeer} from '../../policy/node-peer.ts'
import {fail} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {type ClusterObjects, type PolicySource, readClusterObjects} from './cluster-objects.ts'
import {parseAskedPort} from './ends.ts'
import {POLICY_LABEL_INVALID} from './errors.ts'
import {type ExplainReport, explainEnds, invalidAmong} from './explain.ts'
import {factsOf, policyOptionsOf} from './facts.ts'
import {readPolicyFiles} from './policy-file.ts'

export interface TraceQuestion {
  /** labels of each end; what they do not say is that of a pod in namespace `default` */
  readonly source: readonly string[]
  readonly destination: readonly string[]
  readonly ports: readonly string[]
  /** policies to judge by in place of the cluster's, which then is not asked */
  readonly files: readonly string[]
}

export const emptyCluster: ClusterObjects = {
  ...{policies: [], namespaces: [], pods: [], nodes: [], services: [], slices: [], cidrGroups: [], config: {}},
}

/** Nobody knows what is switched on where the policies of files are meant for. */
const clusterOfFiles: ClusterObjects = {
  ...emptyCluster,
  config: {'enable-host-firewall': 'true', 'enable-node-selector-labels': 'true'},
}

/** @throws POLICY_LABEL_INVALID, POLICY_PORT_INVALID, POLICY_FILE_INVALID; errors of the Kubernetes client */
export async function tracePolicy(
  options: ClusterOptions,
  {source, destination, ports, files}: TraceQuestion,
  signal: AbortSignal,
): Promise<ExplainReport> {
  const asked = ports.map(parseAskedPort)
  const fromFiles = await readPolicyFiles(files)
  const cluster = files.length > 0 ? clusterOfFiles : await readClusterObjects(options, signal)
  return traceAmong(cluster, files.length > 0 ? fromFiles : cluster.policies, {source, destination}, asked)
}

function traceAmong(
  cluster: ClusterObjects,
  policies: readonly PolicySource[],
  {source, destination}: Pick<TraceQuestion, 'source' | 'destination'>,
  asked: readonly ReturnType<typeof parseAskedPort>[],
): ExplainReport {
  const facts = factsOf(cluster, policies)
  const from = labelledMember(source, cluster)
  const to = labelledMember(destination, cluster)
  const model = new ClusterModel({...facts, members: [...facts.members, from, to]})
  return {
    invalid: invalidAmong(cluster, policies),
    connections: asked.flatMap((port) =>
      explainEnds(model, [{member: from, ip: undefined}], [{member: to, ip: undefined}], port),
    ),
  }
}

/** Somebody who is known by labels alone: a pod that might be, or something reserved. */
function labelledMember(texts: readonly string[], cluster: ClusterObjects): Member {
  const labels = texts.map((text) => Label.parse(text, 'k8s') ?? fail(POLICY_LABEL_INVALID, {text}))
  const nobody = {ips: [], namedPorts: new Map(), node: '', apiServer: false}
  const reserved = labels.find(({source}) => source === 'reserved')?.key
  const ofNode = labels.filter(({source}) => source === 'node')
  if (ofNode.length > 0) return labelledNode(reserved ?? 'remote-node', ofNode, nobody, cluster)
  if (reserved !== undefined) return reservedMember(reserved, nobody)
  const given = (key: string) => labels.find((label) => label.key === key)?.value
  const namespace = given(derivedKeys.namespace) ?? 'default'
  const {metadata} = cluster.namespaces.find((one) => one.metadata.name === namespace) ?? {}
  const derived = podLabels({
    labels: undefined,
    namespace,
    namespaceLabels: metadata?.labels,
    serviceAccount: given(derivedKeys.serviceAccount) ?? 'default',
    cluster: given(derivedKeys.cluster) ?? policyOptionsOf(cluster.config).cluster,
  })
  const all = LabelSet.of([...derived, ...labels])
  return {...nobody, key: `${namespace}/[${LabelSet.of(labels)}]`, kind: 'pod', labels: all}
}

/** A node with these labels (`node:role=infra`), this one with `reserved:host` beside them. */
function labelledNode(
  reserved: string,
  labels: readonly Label[],
  nobody: Pick<Member, 'ips' | 'namedPorts' | 'node' | 'apiServer'>,
  {config}: ClusterObjects,
): Member {
  const member = reservedMember(reserved, nobody)
  const {nodeSelectors, cluster} = policyOptionsOf(config)
  const own = Object.fromEntries(labels.map(({key, value}) => [key, value]))
  const {apiServer} = member
  return {
    ...member,
    key: `${member.key}[${LabelSet.of(labels)}]`,
    labels: nodeLabels(own),
    ...(nodeSelectors ? {asPeer: nodeAsPeer(own, {cluster, apiServer, list: config['node-labels']})} : {}),
  }
}

function reservedMember(name: string, nobody: Pick<Member, 'ips' | 'namedPorts' | 'node' | 'apiServer'>): Member {
  const id = Object.hasOwn(reservedIdentities, name) ? reservedIdentities[name as ReservedName] : undefined
  const labels = id === undefined ? undefined : reservedLabels(id)
  if (labels === undefined) return fail(POLICY_LABEL_INVALID, {text: `reserved:${name}`})
  const key = `reserved:${name}`
  if (name === 'host' || name === 'remote-node' || name === 'kube-apiserver') {
    const node = name === 'host' ? '' : name
    return {...nobody, key, kind: 'node', labels, node, apiServer: name === 'kube-apiserver'}
  }
  if (name.startsWith('world')) return {...nobody, key, kind: 'outside', labels}
  return {...nobody, key, kind: 'pod', labels}
}
