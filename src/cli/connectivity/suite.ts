import type {ConnectivityTest} from './test.ts'
import {allowAllWithMetricsCheck} from './tests/allow-all-with-metrics-check.ts'
import {health} from './tests/health.ts'
import {localRedirectPolicy} from './tests/local-redirect-policy.ts'
import {noPolicies} from './tests/no-policies.ts'
import {noPoliciesExtra} from './tests/no-policies-extra.ts'
import {noPoliciesFromOutside} from './tests/no-policies-from-outside.ts'
import {northSouthLoadBalancing} from './tests/north-south-loadbalancing.ts'
import {podToItselfViaServiceTest} from './tests/pod-to-itself-via-service.ts'
import {podToPodNoFragTest} from './tests/pod-to-pod-no-frag.ts'
import {allPolicies} from './tests/policies/all.ts'
import {controlPlanePolicies} from './tests/policies/control-plane.ts'
import {denyPolicies} from './tests/policies/deny.ts'
import {cidrPolicies, egressPolicies} from './tests/policies/egress.ts'
import {hostPolicies} from './tests/policies/host.ts'
import {fromOutsidePolicies, ingressPolicies} from './tests/policies/ingress.ts'
import {namespacePolicies} from './tests/policies/namespaces.ts'

/** All tests, in the order they run. */
export const suite: readonly ConnectivityTest[] = [
  noPolicies,
  noPoliciesExtra,
  noPoliciesFromOutside,
  allowAllWithMetricsCheck,
  podToItselfViaServiceTest,
  northSouthLoadBalancing,
  localRedirectPolicy,
  podToPodNoFragTest,
  health,
  ...allPolicies,
  ...ingressPolicies,
  ...fromOutsidePolicies,
  ...egressPolicies,
  ...cidrPolicies,
  ...namespacePolicies,
  ...denyPolicies,
  ...controlPlanePolicies,
  ...hostPolicies,
]
