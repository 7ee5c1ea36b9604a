/**
 * The words of the suite. A test is a group of scenarios under one condition of the cluster, such as policies that are
 * in force; a scenario is a way to
 * talk, made into actions for the pods, families and features that there are; an action is one command and how its
 * end is judged.
 *
 * To add a test, write one file under tests/ and name it in suite.ts. Regular expressions of --test match
 * "test/scenario".
 */
import type {Features} from './features.ts'
import type {ConnectivityOptions, ExternalTargets, Family} from './options.ts'
import type {CommandResult, ExecOptions, KubernetesObject, NodeObject, ServiceObject} from './test-cluster.ts'

/** Somebody who can send: a pod, a node's own network, or a machine outside of the cluster. */
export interface Peer {
  /** as it shows in action names: namespace/pod, or a word */
  readonly name: string
  /** of each family that it has */
  readonly addresses: Readonly<Partial<Record<Family, string>>>
  /** the node that it runs on; undefined outside */
  readonly node?: string
  /** of the pod */
  readonly labels?: Readonly<Record<string, string>>
  exec(command: readonly string[], options: ExecOptions): Promise<CommandResult>
}

/** A machine that is not in the cluster. */
export interface OutsidePeer extends Peer {
  /**
   * Gives it and the routers in between routes to the pods, for as long as what is returned lives: at other times
   * nobody outside knows the way, so that a pod whose address is not translated gets no answer.
   */
  openRoutes?(): Promise<AsyncDisposable>
}

/** Something to talk to that sends nothing itself. */
export interface Target {
  /** as it shows in action names: a name, an address, or both */
  readonly name: string
  readonly address: string
  readonly port?: number
  /** who has the address; undefined: a service, a name, or somebody outside */
  readonly peer?: Peer
}

/** What exists in the cluster to test with. */
export interface TestContext {
  readonly namespace: string
  /** addresses that clients are led away from, to the echo pod of their own node */
  readonly redirected: Readonly<Partial<Record<Family, string>>>
  readonly options: ConnectivityOptions
  readonly features: Features
  readonly external: ExternalTargets
  /** families that are tested: those asked for that the network has */
  readonly families: readonly Family[]
  readonly clients: readonly Peer[]
  /** clients in namespaces of their own, for policies that look beyond one namespace */
  readonly neighbours: readonly Peer[]
  readonly echoes: readonly EchoPeer[]
  /** one per node, in the node's own network namespace */
  readonly hosts: readonly Peer[]
  readonly nodes: readonly NodeObject[]
  /** addresses of the API servers, as their service has them */
  readonly apiServers: readonly string[]
  readonly services: readonly ServiceObject[]
  /** agents of the network, one per node */
  readonly agents: readonly Peer[]
  /** a machine that is not in the cluster and has routes to its pods; undefined when none can be reached */
  readonly outside: OutsidePeer | undefined
  /** why there is no outside */
  readonly outsideMissing: string
  /** Puts policies into force on all nodes, for as long as what is returned lives. */
  enforce(policies: readonly KubernetesObject[]): Promise<AsyncDisposable>
  readonly signal: AbortSignal
}

export interface EchoPeer extends Peer {
  readonly httpPort: number
  /** where the node passes on to httpPort; undefined when host ports do not work */
  readonly hostPort?: number
  readonly service: string
}

export interface Action {
  /** unique within its scenario: curl-ipv4-0 */
  readonly name: string
  readonly from: Peer
  readonly to: Target
  readonly command: readonly string[]
  /** who judges the end of the command */
  readonly tool: 'curl' | 'ping' | 'other'
  /** an end that looks good may still be wrong: says what, in words; undefined when all is right */
  readonly check?: (result: CommandResult) => string | undefined
  /** further tries before it has failed, for targets that are not ours */
  readonly retries?: number
}

/** How an action is to end: denied means that no answer comes, or an answer that says so. */
export type Expected = 'passes' | 'denied'

/** Says why something cannot be tested here, or undefined when it can. */
export type Requirement = (context: TestContext) => string | undefined

export interface Scenario {
  readonly name: string
  readonly requires?: readonly Requirement[]
  actions(context: TestContext): Iterable<Action> | AsyncIterable<Action>
}

export interface ConnectivityTest {
  readonly name: string
  /** what it proves, for --list */
  readonly summary: string
  readonly requires?: readonly Requirement[]
  /** touches what others rely on, so it runs alone */
  readonly sequential?: true
  /** in force on all nodes while its scenarios run */
  readonly policies?: (context: TestContext) => readonly KubernetesObject[]
  /** without it every action is to pass */
  readonly expect?: (action: Action, context: TestContext) => Expected
  readonly scenarios: readonly Scenario[]
}
