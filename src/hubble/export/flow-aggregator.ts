/**
 * Makes one flow of those that are alike in some fields within a span of time, and says how many they were. It holds a
 * bounded number of them: when there are more, all are given away before their time.
 */
import type {Flow} from '../../api/gen/flow.ts'
import type {GetFlowsResponse} from '../../api/gen/observer.ts'
import {compileMask} from '../flow/field-mask.ts'

const keysMax = 16_384
const ingress = 1
const egress = 2

interface Counts {
  ingress_flow_count: number
  egress_flow_count: number
  unknown_direction_flow_count: number
}

export class FlowAggregator {
  readonly #mask: (flow: Flow) => Flow
  readonly #alike = new Map<string, {response: GetFlowsResponse; aggregate: Counts}>()

  /** @param fields by which flows are alike, at least one @throws FLOW_FILTER_INVALID */
  constructor(fields: readonly string[]) {
    // the time of a flow and what is drawn by lot make each one unlike all others
    const telling = fields.filter((field) => field !== 'time' && field !== 'uuid')
    this.#mask = compileMask(telling) ?? ((flow) => flow)
  }

  /** Takes answers. @returns what cannot wait: what is no flow, and everything when there is no more room */
  add(responses: readonly GetFlowsResponse[]): GetFlowsResponse[] {
    const now: GetFlowsResponse[] = []
    for (const response of responses) {
      const {flow} = response
      if (flow === undefined) {
        now.push(response)
        continue
      }
      const shown = this.#mask(flow)
      const key = JSON.stringify(shown, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))
      let known = this.#alike.get(key)
      if (known === undefined) {
        if (this.#alike.size >= keysMax) now.push(...this.take())
        known = {
          response,
          aggregate: {ingress_flow_count: 0, egress_flow_count: 0, unknown_direction_flow_count: 0},
        }
        this.#alike.set(key, known)
      }
      // the newest says when it was last so
      known.response = {
        ...response,
        flow: {...shown, time: flow.time, ...(flow.uuid === undefined ? {} : {uuid: flow.uuid})},
      }
      if (flow.traffic_direction === ingress) known.aggregate.ingress_flow_count++
      else if (flow.traffic_direction === egress) known.aggregate.egress_flow_count++
      else known.aggregate.unknown_direction_flow_count++
    }
    return now
  }

  /** Gives away what there is. */
  take(): GetFlowsResponse[] {
    const all = [...this.#alike.values()].map(({response, aggregate}) => ({
      ...response,
      flow: {...response.flow, aggregate},
    }))
    this.#alike.clear()
    return all
  }
}
