/** Checks of an installation that need the cluster's facts. What the values alone show wrong, the chart refuses. */
import {fail} from '../../runtime/errors.ts'
import {compareVersions} from '../chart/template/semver.ts'
import type {Tree, Value} from '../chart/template/value.ts'
import {getPath} from '../chart/value-path.ts'
import {hasFamily, poolCidrs, takenRanges} from './derive.ts'
import {
  INSTALL_CIDR_OVERLAP,
  INSTALL_KUBERNETES_VERSION,
  INSTALL_NO_NODES,
  INSTALL_NO_POD_CIDR,
  INSTALL_OTHER_CNI,
  INSTALL_OTHER_NAMESPACE,
} from './errors.ts'
import type {ClusterFacts} from './facts.ts'

const leastKubernetes = 'v1.28.0'

/**
 * @param values all values, defaults included
 * @param user what the user gave
 * @param namespace where it is to be installed
 * @throws INSTALL_NO_NODES, INSTALL_KUBERNETES_VERSION, INSTALL_OTHER_NAMESPACE, INSTALL_OTHER_CNI,
 *   INSTALL_CIDR_OVERLAP, INSTALL_NO_POD_CIDR
 */
export function checkCluster(facts: ClusterFacts, values: Tree, user: Tree, namespace: string): void {
  if (facts.nodes.length === 0) fail(INSTALL_NO_NODES)
  if ((compareVersions(facts.kubernetesVersion.replace(/[-+].*$/, ''), leastKubernetes) ?? 0) < 0) {
    fail(INSTALL_KUBERNETES_VERSION, {found: facts.kubernetesVersion, least: leastKubernetes})
  }
  const elsewhere = facts.agents.find((agent) => agent.namespace !== namespace)
  if (elsewhere !== undefined) fail(INSTALL_OTHER_NAMESPACE, {found: elsewhere.namespace})
  // setting another network's configuration aside is the user's decision, however the default stands
  if (
    facts.otherNetworks.length > 0 &&
    getPath(user, 'cni.exclusive') !== true &&
    getPath(values, 'cni.install') === true
  ) {
    fail(INSTALL_OTHER_CNI, {found: facts.otherNetworks.join(', ')})
  }
  checkPodCidrs(facts, values)
}

/** Pods, nodes and Services must not share addresses: packets to one would reach the other. */
function checkPodCidrs(facts: ClusterFacts, values: Tree): void {
  const mode = getPath(values, 'ipam.mode')
  const taken = takenRanges(facts)
  for (const family of [4, 6] as const) {
    if (getPath(values, `ipv${family}.enabled`) !== true) continue
    if (mode === 'kubernetes') {
      const without = facts.nodes.filter(({podCidrs}) => !hasFamily(podCidrs, family)).map(({name}) => name)
      if (without.length > 0)
        fail(INSTALL_NO_POD_CIDR, {family: `IPv${family}`, nodes: without.slice(0, 10).join(', ')})
      for (const node of facts.nodes) refuseOverlap([...node.podCidrs], taken, ` of node ${node.name}`)
    } else {
      refuseOverlap(getPath(values, `ipam.operator.clusterPoolIPv${family}PodCIDRList`) ?? null, taken, '')
    }
  }
}

function refuseOverlap(pool: Value, taken: ReturnType<typeof takenRanges>, of: string): void {
  for (const pod of poolCidrs(pool)) {
    const other = taken.find(({cidr}) => cidr.overlaps(pod))
    if (other !== undefined) fail(INSTALL_CIDR_OVERLAP, {pod: `${pod}${of}`, other: other.what})
  }
}
