import {outsideToPod} from '../scenarios/outside.ts'
import type {ConnectivityTest} from '../test.ts'

export const noPoliciesFromOutside: ConnectivityTest = {
  name: 'no-policies-from-outside',
  summary: 'a machine outside of the cluster reaches pods by their addresses',
  scenarios: [outsideToPod],
}
