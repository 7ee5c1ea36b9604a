/** What tests of policies expect, in words about who asks whom. */
import type {Action, ConnectivityTest, Expected, Scenario, TestContext} from '../../test.ts'
import type {KubernetesObject} from '../../test-cluster.ts'

export type Condition = (action: Action, context: TestContext) => boolean

/** The sender is a pod with this label. */
export const isFrom =
  (key: string, value: string): Condition =>
  ({from}) =>
    from.labels?.[key] === value

/** The receiver is a pod with this label. */
export const isTo =
  (key: string, value: string): Condition =>
  ({to}) =>
    to.peer?.labels?.[key] === value

/** The receiver is not in the cluster. */
export const isToWorld: Condition = ({to}) => to.peer === undefined

/** The receiver is the node that the sender runs on. */
export const isToOwnNode: Condition = ({from, to}) => to.peer?.labels?.['kind'] === 'host-netns' && sameNode(from, to)

/** A node and a pod on it, whoever sends. */
export const isOnOneNode: Condition = ({from, to}) => sameNode(from, to)

function sameNode(from: Action['from'], to: Action['to']): boolean {
  return from.node !== undefined && from.node === to.peer?.node
}

export const isToAddress =
  (of: (context: TestContext) => readonly string[]): Condition =>
  ({to}, context) =>
    of(context).includes(to.address)

export const always: Condition = () => true

export const not =
  (condition: Condition): Condition =>
  (...args) =>
    !condition(...args)

export const both =
  (one: Condition, other: Condition): Condition =>
  (...args) =>
    one(...args) && other(...args)

export const denied =
  (when: Condition): NonNullable<ConnectivityTest['expect']> =>
  (...args): Expected =>
    when(...args) ? 'denied' : 'passes'

export interface PolicyTest {
  readonly name: string
  readonly summary: string
  readonly policies: readonly ((context: TestContext) => KubernetesObject)[]
  readonly scenarios: readonly Scenario[]
  /** everything else passes */
  readonly deniedWhen: Condition
  readonly requires?: ConnectivityTest['requires']
  readonly sequential?: true
}

export function policyTest(of: PolicyTest): ConnectivityTest {
  const {name, summary, policies, scenarios, deniedWhen, requires, sequential} = of
  return {
    ...{name, summary, scenarios},
    policies: (context) => policies.map((make) => make(context)),
    expect: denied(deniedWhen),
    ...(requires === undefined ? {} : {requires}),
    ...(sequential === undefined ? {} : {sequential}),
  }
}
