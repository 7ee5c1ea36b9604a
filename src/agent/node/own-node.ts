/**
 * What this node knows of itself, kept up to date: from the disk at once, from the API server when it answers. Other
 * parts wait for `ready`, and are told when something changes.
 */

import type {Ip} from '../../model/ip.ts'
import {CiliumError, fail} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'
import type {AgentConfig} from '../config.ts'
import {codes} from '../errors.ts'
import type {NodePools} from '../ipam/node-pools.ts'
import {healthOwner} from '../ipam/node-pools.ts'
import type {Tables} from '../state/tables.ts'
import {type NodeFacts, type NodeFactsFile, sameFacts} from './facts.ts'
import {factsFrom, missingRange, refuseOverlap} from './own-facts.ts'

export interface OwnNodeOptions {
  readonly config: AgentConfig
  readonly tables: Tables
  readonly pools: NodePools
  readonly file: NodeFactsFile
  readonly bootId: string
  readonly log: Log
}

export class OwnNode {
  private readonly options: OwnNodeOptions
  private readonly log: Log
  private readonly ends: (() => void)[] = []
  private readonly listeners = new Set<() => void>()
  private known: NodeFacts | undefined
  private routers: readonly Ip[] = []
  private waitingFor = ''

  constructor(options: OwnNodeOptions) {
    this.options = options
    this.log = options.log.for('node')
  }

  /** Complete facts. @throws NODE_POD_CIDR_MISSING before `ready` */
  get facts(): NodeFacts {
    return this.known ?? fail(codes.NODE_POD_CIDR_MISSING, {family: 'any', node: this.options.config.nodeName})
  }

  get routerIps(): readonly Ip[] {
    return this.routers
  }

  /** Why the node is not ready; empty when it is. */
  get waiting(): string {
    return this.known === undefined ? this.waitingFor || 'the Node object of this node' : ''
  }

  /** Takes what the disk has, then follows the API server. */
  async start(): Promise<void> {
    const stored = await this.options.file.read()
    if (stored !== undefined && missingRange(this.options.config, stored.podCidrs) === undefined) this.take(stored)
    const {localNode, nodes} = this.options.tables
    this.ends.push(
      localNode.subscribe(() => this.look(), {initial: true}),
      nodes.subscribe((changes) => {
        if (changes.some(({key}) => key === this.options.config.nodeName)) this.look()
      }),
    )
  }

  /** Resolves when the facts are complete. */
  async ready(signal: AbortSignal): Promise<void> {
    if (this.known !== undefined) return
    await new Promise<void>((resolve, reject) => {
      const end = () => {
        this.listeners.delete(look)
        signal.removeEventListener('abort', onAbort)
      }
      const look = () => {
        if (this.known === undefined) return
        end()
        resolve()
      }
      const onAbort = () => {
        end()
        reject(signal.reason)
      }
      this.listeners.add(look)
      signal.addEventListener('abort', onAbort, {once: true})
    })
  }

  /** Calls back after every change of complete facts. */
  onChange(listener: () => void): void {
    this.listeners.add(listener)
  }

  async stop(): Promise<void> {
    for (const end of this.ends) end()
    await this.options.file.stop()
  }

  private look(): void {
    const {config, tables} = this.options
    const node = tables.localNode.get(config.nodeName)
    const facts = factsFrom(config, node, tables.nodes.get(config.nodeName), this.known?.healthIps ?? [])
    if (node === undefined || facts === undefined) return
    const missing = missingRange(config, facts.podCidrs)
    if (missing !== undefined) {
      // the others learn of this node, and the operator gives it a range; one that it had is not given up for none
      this.announce(facts)
      this.wait(new CiliumError(codes.NODE_POD_CIDR_MISSING, {family: `IPv${missing}`, node: config.nodeName}))
      return
    }
    this.take(facts)
  }

  /** Facts that cannot be leave those that are known: pods that run must not suffer from an edited object. */
  private take(facts: NodeFacts): void {
    try {
      this.accept(facts)
    } catch (thrown) {
      this.wait(CiliumError.from(thrown))
    }
  }

  /** Tells once why facts are not taken. */
  private wait(error: CiliumError): void {
    if (this.waitingFor === error.message) return
    this.waitingFor = error.message
    if (error.code === codes.NODE_POD_CIDR_MISSING) this.log.info('waiting for a pod CIDR', {error})
    else this.log.error('what is said of this node cannot be used', {error})
  }

  private accept(facts: NodeFacts): void {
    const {pools, config} = this.options
    refuseOverlap(facts)
    this.waitingFor = ''
    this.routers = pools.setCidrs(facts.podCidrs)
    const healthIps = config['enable-endpoint-health-checking'] ? this.healthIps(facts) : []
    const complete = {...facts, healthIps}
    // labels are no facts that anything here rests on, but others know this node by them
    this.announce(complete)
    if (sameFacts(this.known, complete)) return
    this.known = complete
    this.options.file.write(complete)
    for (const listener of [...this.listeners]) listener()
  }

  /** Those it had while they are in range, else new ones: others reach the health endpoint by them. */
  private healthIps({healthIps, podCidrs}: NodeFacts): readonly Ip[] {
    const {pools} = this.options
    return pools.pools.map((pool) => {
      const own = healthIps.find((ip) => podCidrs.some((cidr) => cidr.contains(ip)) && ip.family === pool.family)
      const holder = own === undefined ? undefined : pool.ownerOf(own)
      if (own === undefined || (holder !== undefined && holder !== healthOwner)) return pool.allocate(healthOwner)
      pool.take(own, healthOwner, {restored: true})
      return own
    })
  }

  private announce(facts: NodeFacts): void {
    const {config, tables, bootId} = this.options
    tables.ownNode.upsert({
      name: config.nodeName,
      uid: facts.uid,
      labels: tables.localNode.get(config.nodeName)?.labels,
      internalIps: facts.internalIps.filter((ip) => (ip.family === 4 ? config['enable-ipv4'] : config['enable-ipv6'])),
      externalIps: facts.externalIps,
      routerIps: this.routers,
      healthIps: facts.healthIps,
      podCidrs: facts.podCidrs,
      bootId,
    })
  }
}
