import {hostToPod, podToHost, podToHostPort} from '../scenarios/host.ts'
import {clientToClient, podToItself, podToPod} from '../scenarios/pod-to-pod.ts'
import {podToService} from '../scenarios/service.ts'
import {podToCidr, podToWorld} from '../scenarios/world.ts'
import type {ConnectivityTest} from '../test.ts'

export const noPolicies: ConnectivityTest = {
  name: 'no-policies',
  summary: 'without any policy everybody reaches everybody',
  scenarios: [
    podToPod,
    clientToClient,
    podToItself,
    podToService,
    podToHostPort,
    podToWorld,
    podToHost,
    hostToPod,
    podToCidr,
  ],
}
