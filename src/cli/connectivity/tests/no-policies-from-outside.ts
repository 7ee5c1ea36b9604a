import {outsideToPod} from '../scenarios/outside.ts'
import type {ConnectivityTest} from '../test.ts'

export const noPoliciesFromOutside: ConnectivityTest = {
  name: 'no-policies-from-outside',
  summary: 'a machine outside of the cluster reaches pods by their addresses',
  // meanwhile the outside knows the way to pods, which would hide a missing translation from others
  sequential: true,
  scenarios: [outsideToPod],
}
