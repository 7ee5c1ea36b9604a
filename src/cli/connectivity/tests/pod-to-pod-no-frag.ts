import {podToPodNoFrag} from '../scenarios/no-frag.ts'
import type {ConnectivityTest} from '../test.ts'

export const podToPodNoFragTest: ConnectivityTest = {
  name: 'pod-to-pod-no-frag',
  summary: 'packets as large as the MTU of pods cross the network in one piece',
  scenarios: [podToPodNoFrag],
}
