import {ciliumHealth} from '../scenarios/health.ts'
import type {ConnectivityTest} from '../test.ts'

export const health: ConnectivityTest = {
  name: 'health',
  summary: 'each agent reaches all nodes and their health endpoints',
  scenarios: [ciliumHealth],
}
