import {podToItselfViaService} from '../scenarios/service.ts'
import type {ConnectivityTest} from '../test.ts'

export const podToItselfViaServiceTest: ConnectivityTest = {
  name: 'pod-to-itself-via-service',
  summary: 'a pod reaches itself through its own service address',
  scenarios: [podToItselfViaService],
}
