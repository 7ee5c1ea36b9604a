/** Plays a story of services through reflectors, engine and reconciler. */

import {ServiceClaimants} from '../../../src/agent/reconcile/service-claimants.ts'
import {ServiceReconciler} from '../../../src/agent/reconcile/services.ts'
import {endpointSliceRow} from '../../../src/agent/reflect/endpoint-slice.ts'
import {localNodeRow} from '../../../src/agent/reflect/node.ts'
import {type PodObject, podRow} from '../../../src/agent/reflect/pod.ts'
import {serviceRow} from '../../../src/agent/reflect/service.ts'
import type {ServicePlan} from '../../../src/agent/service/frontends.ts'
import type {FrontendRow} from '../../../src/agent/service/rows.ts'
import {createTables, type Tables} from '../../../src/agent/state/tables.ts'
import type {EndpointSlice, Service} from '../../../src/k8s/resources.ts'
import {Ip} from '../../../src/model/ip.ts'
import {ReconcilerRunner} from '../../../src/runtime/reconciler.ts'
import {endpoint} from '../../unit/agent/rows.ts'
import type {MemoryServiceMaps} from './service-maps.ts'

type Value = string | number | boolean | null | readonly Value[] | {readonly [key: string]: Value}

export interface StoryStep {
  readonly says?: string
  /** objects by kind that are made or replaced: `namespace/name` of those that go under `remove` */
  readonly services?: readonly Service[]
  readonly slices?: readonly EndpointSlice[]
  /** pods of this node, with the addresses they have got */
  readonly pods?: readonly (PodObject & {readonly ips: readonly string[]})[]
  readonly remove?: readonly string[]
  /** labels of this node */
  readonly labels?: Readonly<Record<string, string>>
  /** the agent ends and starts again with the maps as they are */
  readonly restart?: boolean
  readonly waitMs?: number
  readonly expect?: Readonly<Record<string, Value>>
}

export interface StoryFile {
  /** what it shows, as a sentence */
  readonly story: string
  readonly plan?: Partial<Omit<ServicePlan, 'place' | 'nodePortIps'>> & {readonly nodePortIps?: readonly string[]}
  readonly steps: readonly StoryStep[]
}

const ourNode = 'worker1'

export class ServiceStory {
  private readonly story: StoryFile
  private readonly maps: MemoryServiceMaps
  private tables!: Tables
  private claimants!: ServiceClaimants
  private reconciler!: ServiceReconciler
  private runner!: ReconcilerRunner<FrontendRow>
  private readonly services = new Map<string, Service>()
  private readonly slices = new Map<string, EndpointSlice>()
  private readonly pods = new Map<string, PodObject & {readonly ips: readonly string[]}>()
  private labels: Readonly<Record<string, string>> = {}
  private now = 0
  private readonly reports: string[] = []

  constructor(story: StoryFile, maps: MemoryServiceMaps) {
    this.story = story
    this.maps = maps
    this.start()
  }

  async apply(step: StoryStep): Promise<void> {
    for (const one of step.services ?? []) this.services.set(keyOf(one), one)
    for (const one of step.slices ?? []) this.slices.set(keyOf(one), one)
    for (const one of step.pods ?? []) this.pods.set(keyOf(one), one)
    for (const key of step.remove ?? []) {
      this.services.delete(key)
      this.slices.delete(key)
      this.pods.delete(key)
    }
    this.labels = step.labels ?? this.labels
    this.now += step.waitMs ?? 0
    if (step.restart) {
      this.end()
      this.start()
    }
    const {services, endpointSlices, pods, endpoints, localNode, frontends} = this.tables
    localNode.upsert(localNodeRow({metadata: {name: ourNode, labels: this.labels}}))
    services.replaceAll([...this.services.values()].map((one) => serviceRow(one)).filter((row) => row !== undefined))
    endpointSlices.replaceAll([...this.slices.values()].map(endpointSliceRow).filter((row) => row !== undefined))
    pods.replaceAll([...this.pods.values()].map(podRow))
    endpoints.replaceAll(
      [...this.pods.values()].map(({metadata, ips}, i) => {
        const [ipv4, ipv6] = ips.map(Ip.of)
        return endpoint({id: i + 1, namespace: metadata?.namespace ?? '', pod: metadata?.name ?? '', ipv4, ipv6})
      }),
    )
    for (const [table, source] of [
      [pods, 'pods'],
      [endpoints, 'disk'],
      [services, 'services'],
      [endpointSlices, 'endpointslices'],
      [localNode, 'node'],
    ] as const)
      table.markSynced(source)
    await frontends.whenSynced()
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    await this.runner.whenIdle()
  }

  /** The parts that a step's expectation names. */
  seen(parts: readonly string[]): Record<string, Value> {
    const all: Record<string, () => Value> = {
      frontends: () => this.maps.dump(),
      backends: () => this.maps.dumpBackends(),
      reports: () => this.reports.splice(0).sort(),
      ranges: () => [...this.maps.rangeRows.keys()].sort(),
      errors: () => this.tables.frontends.errors().map(({key, status}) => `${key} ${status.code}`),
      problems: () => [
        ...[...this.tables.services.values()].flatMap(({problems}) => problems),
        ...[...this.tables.endpointSlices.values()].flatMap(({problems}) => problems),
      ],
      conflicts: () =>
        [...this.tables.services.values()].flatMap(({namespace, name}) =>
          this.claimants
            .conflicts(`${namespace}/${name}`)
            .map(
              ({frontend, holder}) => `${frontend.key} of ${namespace}/${name} is ${holder.namespace}/${holder.name}'s`,
            ),
        ),
    }
    return Object.fromEntries(parts.map((part) => [part, all[part]!()]))
  }

  end(): void {
    this.claimants.stop()
    void this.runner.stop()
  }

  private start(): void {
    this.tables = createTables()
    this.claimants = new ServiceClaimants(
      this.tables,
      () => this.plan(),
      ({namespace, name}, problem) => this.reports.push(`${namespace}/${name}: ${problem}`),
    )
    this.claimants.start()
    this.reconciler = new ServiceReconciler(this.maps, () => this.now)
    const {frontends} = this.tables
    this.runner = new ReconcilerRunner({name: 'bpf-services', table: frontends, reconciler: this.reconciler})
    this.runner.start()
  }

  private plan(): ServicePlan {
    return {
      ipv4: true,
      ipv6: true,
      external: true,
      topology: false,
      externalClusterIp: false,
      rangesOnAll: false,
      sctp: false,
      algorithm: 'random',
      tableSize: 251,
      algorithmAnnotation: false,
      mode: 'snat',
      modeAnnotation: false,
      ...this.story.plan,
      place: {node: ourNode, zone: this.labels['topology.kubernetes.io/zone']},
      nodePortIps: (this.story.plan?.nodePortIps ?? ['192.168.0.1', 'fd01::1']).map(Ip.of),
    }
  }
}

function keyOf({metadata}: {readonly metadata?: {readonly namespace?: string; readonly name?: string}}): string {
  return `${metadata?.namespace}/${metadata?.name}`
}
