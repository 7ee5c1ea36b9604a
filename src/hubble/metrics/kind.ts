/** What a kind of metric is: it makes its series, and counts flows. */
import type {Flow} from '../../api/gen/flow.ts'
import type {MetricSpec} from './spec.ts'

/** Counts `count` flows that are alike. */
export type CountFlow = (flow: Flow, count: number) => void

/** Series that have the labels of contexts, too. */
export interface Labelled {
  /** @param amount a count, or a value that is observed @param exemplar the flow's trace is told with it */
  add(flow: Flow, amount: number, labels: readonly string[], exemplar?: boolean): void
}

export type MakeSeries = (name: string, help: string, labels: readonly string[]) => Labelled

export interface Makers {
  readonly counter: MakeSeries
  readonly histogram: MakeSeries
}

export type Kind = (spec: MetricSpec, counter: MakeSeries, histogram: MakeSeries) => CountFlow
