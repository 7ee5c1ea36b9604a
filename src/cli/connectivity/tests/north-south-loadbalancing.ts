import {outsideToNodePort} from '../scenarios/outside.ts'
import type {ConnectivityTest} from '../test.ts'

export const northSouthLoadBalancing: ConnectivityTest = {
  name: 'north-south-loadbalancing',
  summary: 'a machine outside of the cluster reaches services by the node ports of every node',
  scenarios: [outsideToNodePort],
}
