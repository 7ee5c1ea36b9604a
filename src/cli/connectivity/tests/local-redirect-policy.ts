import {localRedirect} from '../scenarios/local-redirect.ts'
import type {ConnectivityTest} from '../test.ts'

export const localRedirectPolicy: ConnectivityTest = {
  name: 'local-redirect-policy',
  summary: 'pods are led from an address to a pod of their own node',
  scenarios: [localRedirect],
}
