import {podToLocalNodePort, podToRemoteNodePort} from '../scenarios/service.ts'
import type {ConnectivityTest} from '../test.ts'

export const noPoliciesExtra: ConnectivityTest = {
  name: 'no-policies-extra',
  summary: 'pods reach node ports of their own node and of others',
  scenarios: [podToRemoteNodePort, podToLocalNodePort],
}
