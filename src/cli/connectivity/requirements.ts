import {isControlPlane} from './features.ts'
import type {Requirement} from './test.ts'

export const needsTwoNodes: Requirement = ({features, echoes, clients}) =>
  features.singleNode || new Set([...echoes, ...clients].map(({node}) => node)).size < 2
    ? 'needs pods on two nodes'
    : undefined

export const needsServices: Requirement = ({features}) =>
  features.services === undefined
    ? 'nobody translates service addresses: kube-proxy replacement is off and there is no kube-proxy'
    : undefined

export const needsNodePort: Requirement = ({features, options}) => {
  if (!features.nodePort) return 'nobody serves node ports: kube-proxy replacement is off and there is no kube-proxy'
  return options.serviceType === 'ClusterIP' ? 'services have no node port with --service-type ClusterIP' : undefined
}

export const needsHostPort: Requirement = ({features, echoes}) =>
  !features.hostPort || echoes.every(({hostPort}) => hostPort === undefined)
    ? 'nobody serves host ports: kube-proxy replacement is off and there is no portmap chaining'
    : undefined

export const needsHealth: Requirement = ({features}) =>
  features.health ? undefined : 'health checking is switched off in the agents'

export const needsLocalRedirect: Requirement = ({features}) =>
  features.localRedirect ? undefined : 'local redirect policies are switched off (localRedirectPolicies.enabled)'

export const needsOutside: Requirement = ({outside, outsideMissing}) =>
  outside === undefined ? outsideMissing : undefined

export const needsOutsideAddress: Requirement = ({outside, outsideMissing}) => {
  if (outside === undefined) return outsideMissing
  const known = Object.values(outside.addresses).some((address) => address !== '')
  return known ? undefined : 'the address of the machine outside is not known'
}

export const needsNeighbours: Requirement = ({neighbours}) =>
  neighbours.length < 2 ? 'needs clients in namespaces of their own' : undefined

export const needsCidrMatchesNodes: Requirement = ({features}) =>
  features.cidrMatchesNodes ? undefined : 'prefixes of policies do not mean nodes (policyCIDRMatchMode: nodes)'

export const needsHostFirewall: Requirement = ({features}) =>
  features.hostFirewall ? undefined : 'the host firewall is switched off (hostFirewall.enabled)'

export const needsControlPlane: Requirement = ({options, nodes}) => {
  if (!options.k8sLocalhost) return 'asked for with --k8s-localhost-test'
  return nodes.some(isControlPlane) ? undefined : 'no node says that it carries the control plane'
}

/** Prefixes of nodes say nothing about an API server that is elsewhere, or behind a load balancer. */
export const needsApiServerOnControlPlane: Requirement = ({apiServers, nodes, hosts}) => {
  const names = new Set(nodes.filter(isControlPlane).map(({metadata}) => metadata.name))
  const known = hosts
    .filter(({node}) => node !== undefined && names.has(node))
    .flatMap(({addresses}) => Object.values(addresses))
  const elsewhere = apiServers.filter((address) => !known.includes(address))
  return elsewhere.length === 0 ? undefined : `the API server is at ${elsewhere.join(', ')}: on no such node`
}
