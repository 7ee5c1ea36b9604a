import {ActionNames, curl, pairs, ping} from '../actions.ts'
import {isControlPlane} from '../features.ts'
import {needsControlPlane} from '../requirements.ts'
import type {Peer, Scenario, TestContext} from '../test.ts'

/** The nodes' own networks of those that carry the control plane. */
export function controlPlaneHosts({nodes, hosts}: TestContext): readonly Peer[] {
  const names = new Set(nodes.filter(isControlPlane).map(({metadata}) => metadata.name))
  return hosts.filter(({node}) => node !== undefined && names.has(node))
}

/** Each client reaches the nodes of the control plane. */
export const podToControlPlaneHost: Scenario = {
  name: 'pod-to-controlplane-host',
  requires: [needsControlPlane],
  *actions(context) {
    const names = new ActionNames()
    for (const {family, from, to, address} of pairs(context, context.clients, controlPlaneHosts(context))) {
      yield ping(context, names, from, {name: `node ${to.node}`, address, peer: to}, {family})
    }
  },
}

/** Each client asks the API server by its service. */
export const podToK8sLocal: Scenario = {
  name: 'pod-to-k8s-local',
  requires: [needsControlPlane],
  *actions(context) {
    const names = new ActionNames()
    for (const client of context.clients) {
      const to = {name: 'service default/kubernetes', address: 'kubernetes.default', port: 443}
      yield curl(context, names, client, to, {url: 'https://kubernetes.default/version', insecure: true})
    }
  },
}
