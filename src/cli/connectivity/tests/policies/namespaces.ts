/** Clusterwide policies over several namespaces. */

import {needsNeighbours} from '../../requirements.ts'
import {neighbourToNeighbour} from '../../scenarios/pod-to-pod.ts'
import type {Action, TestContext} from '../../test.ts'
import {neighbourNamespaces} from '../../workloads/objects.ts'
import {ccnp, labels} from '../../workloads/policies.ts'
import {policyTest} from './words.ts'

const inNamespace = (namespace: string) => labels({'k8s:io.kubernetes.pod.namespace': namespace})
const first = ({options}: TestContext) => neighbourNamespaces(options)[0]
const second = ({options}: TestContext) => neighbourNamespaces(options)[1]
const isIn = (name: string | undefined, namespace: string) => name?.startsWith(`${namespace}/`) === true

const fromFirst = ({from}: Action, context: TestContext) => isIn(from.name, first(context))
const toFirst = ({to}: Action, context: TestContext) => isIn(to.peer?.name, first(context))
const toSecond = ({to}: Action, context: TestContext) => isIn(to.peer?.name, second(context))
const fromSecond = ({from}: Action, context: TestContext) => isIn(from.name, second(context))

export const namespacePolicies = [
  policyTest({
    name: 'egress-to-specific-namespace-ccnp',
    summary: 'a clusterwide policy lets the pods of one namespace out to another, and nowhere else',
    sequential: true,
    requires: [needsNeighbours],
    policies: [
      ccnp('egress-to-namespace', (context) => ({
        endpointSelector: inNamespace(first(context)),
        egress: [{toEndpoints: [inNamespace(second(context))]}],
      })),
    ],
    scenarios: [neighbourToNeighbour],
    deniedWhen: (...args) => fromFirst(...args) && !toSecond(...args),
  }),
  policyTest({
    name: 'ingress-from-specific-namespace-ccnp',
    summary: 'a clusterwide policy lets the pods of one namespace in to another, and nobody else',
    sequential: true,
    requires: [needsNeighbours],
    policies: [
      ccnp('ingress-from-namespace', (context) => ({
        endpointSelector: inNamespace(first(context)),
        ingress: [{fromEndpoints: [inNamespace(second(context))]}],
      })),
    ],
    scenarios: [neighbourToNeighbour],
    deniedWhen: (...args) => toFirst(...args) && !fromSecond(...args),
  }),
]
