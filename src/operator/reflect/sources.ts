/** What the operator follows while it leads: each kind in a table, fed by its reflector. */
import type {KubeClient} from '../../k8s/client.ts'
import {Reflector} from '../../k8s/reflector.ts'
import {type KubeObject, type Resource, resources} from '../../k8s/resources.ts'
import type {Clock} from '../../runtime/clock.ts'
import type {Log} from '../../runtime/log.ts'
import {Table} from '../../runtime/table.ts'
import {
  type CiliumNodeRow,
  type EndpointRow,
  type IdentityRow,
  type NodeRow,
  namespacedKey,
  type PodRow,
} from '../rows.ts'
import {ciliumNodeRow, endpointRow, identityRow, nodeRow, podRow} from './objects.ts'

export interface Tables {
  readonly nodes: Table<NodeRow>
  readonly ciliumNodes: Table<CiliumNodeRow>
  readonly pods: Table<PodRow, 'agent-node'>
  readonly endpoints: Table<EndpointRow>
  readonly identities: Table<IdentityRow>
}

/** Empty tables that wait for their source. */
export function createTables(): Tables {
  const byName = (row: {readonly name: string}) => row.name
  return {
    nodes: new Table<NodeRow>({name: 'nodes', key: byName, sources: ['nodes']}),
    ciliumNodes: new Table<CiliumNodeRow>({name: 'ciliumnodes', key: byName, sources: ['ciliumnodes']}),
    pods: new Table<PodRow, 'agent-node'>({
      name: 'pods',
      key: namespacedKey,
      indexes: {'agent-node': (pod) => (pod.agent && pod.node !== '' ? [pod.node] : [])},
      sources: ['pods'],
    }),
    endpoints: new Table<EndpointRow>({name: 'ciliumendpoints', key: namespacedKey, sources: ['ciliumendpoints']}),
    identities: new Table<IdentityRow>({name: 'ciliumidentities', key: byName, sources: ['ciliumidentities']}),
  }
}

export interface SourceOptions {
  readonly client: KubeClient
  readonly agentNamespace: string
  readonly log: Log
  readonly clock: Clock
}

/** The reflectors behind the tables. */
export class Sources {
  private readonly reflectors: Reflector<KubeObject, unknown>[] = []
  private readonly options: SourceOptions

  constructor(tables: Tables, options: SourceOptions) {
    this.options = options
    this.follow(resources.nodes, tables.nodes, nodeRow)
    this.follow(resources.ciliumNodes, tables.ciliumNodes, ciliumNodeRow)
    this.follow(resources.pods, tables.pods, (pod: Parameters<typeof podRow>[0]) => podRow(pod, options.agentNamespace))
    this.follow(resources.ciliumEndpoints, tables.endpoints, endpointRow)
    this.follow(resources.ciliumIdentities, tables.identities, identityRow)
  }

  start(): void {
    for (const reflector of this.reflectors) reflector.start()
  }

  async stop(): Promise<void> {
    await Promise.all(this.reflectors.map((reflector) => reflector.stop()))
  }

  /** True while every table follows its objects at this moment: nothing may be removed on the word of an old one. */
  get current(): boolean {
    return this.reflectors.every(({health}) => health.synced && health.state === 'watching')
  }

  private follow<In extends KubeObject, Row>(resource: Resource, table: Table<Row, string>, row: (object: In) => Row) {
    const {client, log, clock} = this.options
    const reflector = new Reflector<In, Row>({
      client,
      resource,
      trim: row,
      onEvents: (events) => {
        for (const event of events) {
          if (event.type === 'upsert') table.upsert(event.object)
          else table.delete(event.key)
        }
      },
      onSynced: () => table.markSynced(resource.plural),
      log,
      clock,
    })
    this.reflectors.push(reflector as unknown as Reflector<KubeObject, unknown>)
  }
}
