/** Policies about the nodes of the control plane and the API server that runs on them: by entity, and by prefix. */
import {needsApiServerOnControlPlane, needsCidrMatchesNodes, needsControlPlane} from '../../requirements.ts'
import {controlPlaneHosts, podToControlPlaneHost, podToK8sLocal} from '../../scenarios/control-plane.ts'
import {podToPod} from '../../scenarios/pod-to-pod.ts'
import type {TestContext} from '../../test.ts'
import {cnp, labels, toDns} from '../../workloads/policies.ts'
import {hostPrefix} from './egress.ts'
import {type Condition, policyTest} from './words.ts'

const clients = {endpointSelector: labels({kind: 'client'})}
const toPods: Condition = ({to}) => to.peer?.labels?.['kind'] === 'echo'

const prefixes = (context: TestContext) =>
  controlPlaneHosts(context).flatMap(({addresses}) => Object.values(addresses).map(hostPrefix))

export const controlPlanePolicies = [
  policyTest({
    name: 'pod-to-controlplane-host',
    summary: 'clients that may talk to nodes reach those of the control plane, and no pod',
    requires: [needsControlPlane],
    policies: [cnp('to-controlplane-host', {...clients, egress: [{toEntities: ['host', 'remote-node']}]})],
    scenarios: [podToControlPlaneHost, podToPod],
    deniedWhen: toPods,
  }),
  policyTest({
    name: 'pod-to-controlplane-host-cidr',
    summary: 'the same by the prefixes of those nodes',
    requires: [needsControlPlane, needsCidrMatchesNodes],
    policies: [
      (context) => cnp('to-controlplane-host-cidr', {...clients, egress: [{toCIDR: prefixes(context)}]})(context),
    ],
    scenarios: [podToControlPlaneHost, podToPod],
    deniedWhen: toPods,
  }),
  policyTest({
    name: 'pod-to-k8s-on-controlplane',
    summary: 'clients that may talk to the API server reach it, and no pod',
    requires: [needsControlPlane],
    policies: [cnp('to-k8s', {...clients, egress: [{toEntities: ['kube-apiserver']}, toDns]})],
    scenarios: [podToK8sLocal, podToPod],
    deniedWhen: toPods,
  }),
  policyTest({
    name: 'pod-to-k8s-on-controlplane-cidr',
    summary: 'the same by the prefixes of the nodes that it runs on',
    requires: [needsControlPlane, needsCidrMatchesNodes, needsApiServerOnControlPlane],
    policies: [(context) => cnp('to-k8s-cidr', {...clients, egress: [{toCIDR: prefixes(context)}, toDns]})(context)],
    scenarios: [podToK8sLocal, podToPod],
    deniedWhen: toPods,
  }),
]
