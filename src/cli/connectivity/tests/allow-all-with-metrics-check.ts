import {podToPodCounted} from '../scenarios/forwarded.ts'
import {cnp} from '../workloads/policies.ts'
import {policyTest} from './policies/words.ts'

export const allowAllWithMetricsCheck = policyTest({
  name: 'allow-all-with-metrics-check',
  summary: 'under a policy that allows everything, agents count what they forward',
  policies: [
    cnp('allow-all', {endpointSelector: {}, ingress: [{fromEntities: ['all']}], egress: [{toEntities: ['all']}]}),
  ],
  scenarios: [podToPodCounted],
  deniedWhen: () => false,
})
