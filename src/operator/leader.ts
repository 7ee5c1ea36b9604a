/** What the one operator that leads does. The order is that of the drawing: follow objects, then decide, then write. */
import type {KubeClient} from '../k8s/client.ts'
import type {Clock} from '../runtime/clock.ts'
import type {Log} from '../runtime/log.ts'
import type {ReconcilerMetrics} from '../runtime/reconciler.ts'
import {Certificates} from './certificates.ts'
import {Garbage} from './collect/garbage.ts'
import {loop} from './collect/loop.ts'
import {RestartUnmanaged} from './collect/restart-unmanaged.ts'
import type {OperatorConfig} from './config.ts'
import {PodCidrAllocation} from './ipam/pod-cidr-allocation.ts'
import type {Occupied} from './ipam/pod-cidrs.ts'
import {readServiceRanges} from './ipam/service-ranges.ts'
import {LbIpam} from './lb-ipam/lb-ipam.ts'
import type {OperatorMetrics} from './metrics.ts'
import {NodeReadiness} from './node/node-readiness.ts'
import {PolicyStatus} from './policy/policy-status.ts'
import {createTables, Sources} from './reflect/sources.ts'

export interface LeaderOptions {
  readonly client: KubeClient
  readonly config: OperatorConfig
  /** where our agents run */
  readonly namespace: string
  readonly metrics: OperatorMetrics
  readonly reconcilerMetrics: ReconcilerMetrics
  readonly clock: Clock
  readonly log: Log
}

const serviceRangesMs = 300_000
const certificatesMs = 600_000
const dayMs = 24 * 3600 * 1000

/** Leads until the signal. Tables begin empty each time: a leader trusts nothing that it saw before it led. */
export async function lead(options: LeaderOptions, signal: AbortSignal): Promise<void> {
  const {client, config, namespace, metrics, reconcilerMetrics, clock, log} = options
  const tables = createTables()
  const sources = new Sources(tables, {client, agentNamespace: namespace, clock, log})
  const parts: {start(): void; stop(): Promise<void>}[] = [sources]
  const writing = {client, tables, clock, log, metrics: reconcilerMetrics}
  const loops: {name: string; intervalMs: number; run: (signal: AbortSignal) => Promise<void>}[] = []

  if (config.families.length > 0) {
    let ranges: readonly Occupied[] = await readServiceRanges(client, signal)
    const allocation = new PodCidrAllocation({...writing, families: config.families, serviceRanges: () => ranges})
    parts.push(allocation)
    loops.push({
      name: 'service-ranges',
      intervalMs: serviceRangesMs,
      run: async (signal) => {
        ranges = await readServiceRanges(client, signal)
        allocation.assign()
      },
    })
  }
  parts.push(
    new NodeReadiness({
      ...writing,
      policy: {
        taintKey: config['agent-not-ready-taint-key'],
        removeTaints: config['remove-cilium-node-taints'],
        setTaints: config['set-cilium-node-taints'],
        setCondition: config['set-cilium-is-up-condition'],
      },
    }),
  )

  const policyOptions = {
    cluster: config['cluster-name'],
    localClusterOnly: config['policy-default-local-cluster'],
    nodeSelectors: config['enable-node-selector-labels'],
    hostFirewall: config['enable-host-firewall'],
    extendedProtocols: config['enable-extended-ip-protocols'],
  }
  parts.push(new PolicyStatus({client, policyOptions, clock, log, metrics: reconcilerMetrics}))

  if (config['enable-lb-ipam']) {
    const choice = {
      families: ([4, 6] as const).filter((family) => config[`enable-ipv${family}`]),
      classless: config['default-lb-service-ipam'] === 'lbipam',
    }
    parts.push(new LbIpam({client, choice, clock, log, metrics: reconcilerMetrics, counts: metrics}))
  }

  const collecting = {client, tables, isCurrent: () => sources.current, metrics, clock, log}
  const garbage = new Garbage({
    ...collecting,
    identityTimes: {
      heartbeatTimeoutMs: config['identity-heartbeat-timeout'],
      intervalMs: config['identity-gc-interval'],
    },
  })
  loops.push({name: 'ciliumnode-gc', intervalMs: config['nodes-gc-interval'], run: (s) => garbage.collectNodes(s)})
  if (!config['disable-endpoint-crd']) {
    // without CiliumEndpoints nobody could say which identities are in use
    loops.push(
      {
        name: 'ciliumendpoint-gc',
        intervalMs: config['cilium-endpoint-gc-interval'],
        run: (s) => garbage.collectEndpoints(s),
      },
      {name: 'ciliumidentity-gc', intervalMs: config['identity-gc-interval'], run: (s) => garbage.collectIdentities(s)},
    )
    const unmanaged = new RestartUnmanaged({...collecting, selector: config['pod-restart-selector']})
    loops.push({
      name: 'unmanaged-pods',
      intervalMs: config['unmanaged-pod-watcher-interval'],
      run: (s) => unmanaged.run(s),
    })
  }

  if (config['hubble-tls-auto']) {
    const certificates = new Certificates({
      client,
      namespace,
      clusterName: config['cluster-name'],
      validMs: config['hubble-tls-auto-validity-days'] * dayMs,
      now: clock.now.bind(clock),
      log,
    })
    loops.push({name: 'hubble-certificates', intervalMs: certificatesMs, run: (s) => certificates.run(s)})
  }

  for (const part of parts) part.start()
  try {
    await synced(tables, signal)
    const onRun = (name: string) => (outcome: 'success' | 'failure') => metrics.ran(name, outcome)
    const running = loops.map((one) => loop({...one, onRun: onRun(one.name), clock, log}, signal))
    await Promise.all([...running, aborted(signal)])
  } finally {
    for (const part of parts.reverse()) await part.stop()
  }
}

async function synced(tables: ReturnType<typeof createTables>, signal: AbortSignal): Promise<void> {
  try {
    await Promise.all(Object.values(tables).map((table) => table.whenSynced({signal})))
  } catch (thrown) {
    if (!signal.aborted) throw thrown
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve()
    signal.addEventListener('abort', () => resolve(), {once: true})
  })
}
