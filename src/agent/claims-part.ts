/**
 * Whose each address is and where each route goes, put together: from nodes, endpoints and the node's own devices to the
 * tables of addresses, routes and devices, which reconcilers bring into the kernel. What is remembered from the last run
 * holds until Kubernetes has told everything.
 */
import type {NetlinkSocket} from '../kernel/netlink/socket.ts'
import {LabelFilter} from '../model/label-filter.ts'
import type {AgentConfig} from './config.ts'
import type {AgentContext} from './context.ts'
import type {AddressPlan} from './identity/address-rows.ts'
import {NodeIdentities} from './identity/node-identities.ts'
import {type NodeIdentityMemory, nodeIdentityFile} from './identity/node-identity-memory.ts'
import {hostPeerDevice, overlayDevice} from './node/device-names.ts'
import {type DeviceChoice, DeviceWatch} from './node/device-watch.ts'
import type {NodeFacts} from './node/facts.ts'
import {MasqueradeExemptions} from './node/masquerade-exemptions.ts'
import type {NodeNetwork} from './node/node-network.ts'
import {fixedRoutes, type RoutePlan} from './node/route-rows.ts'
import type {AddressClasses} from './policy/address-classes.ts'
import {AddressClaimants} from './reconcile/address-claimants.ts'
import {RouteClaimants} from './reconcile/route-claimants.ts'
import {ClusterMemory} from './state/cluster-memory.ts'
import type {AddressRow} from './state/rows.ts'
import type {Tables} from './state/tables.ts'

export interface ClaimsStart {
  readonly network: NodeNetwork
  readonly socket: NetlinkSocket
  readonly choice: DeviceChoice
  /** of this node, as it is now */
  readonly facts: () => NodeFacts
  /** addresses that the running maps hold */
  readonly restored: readonly AddressRow[]
  /** policies are known: what was restored may go */
  readonly whenClassed: Promise<void>
}

export class ClaimsPart {
  /** undefined: nodes are not told apart by labels */
  readonly nodeIdentities: NodeIdentities | undefined
  readonly #context: AgentContext
  readonly #config: AgentConfig
  readonly #tables: Tables
  readonly #memory: ClusterMemory
  readonly #nodeMemory: NodeIdentityMemory | undefined
  #addresses: AddressClaimants | undefined
  #endings: {stop(): void}[] = []

  constructor(context: AgentContext, tables: Tables) {
    const {clock, log} = context
    this.#context = context
    this.#config = context.loaded.config
    this.#tables = tables
    this.#memory = new ClusterMemory(this.#config['lib-dir'], tables, clock, log)
    if (!this.#config['enable-node-selector-labels']) return
    this.#nodeMemory = nodeIdentityFile(this.#config['state-dir'], clock, log)
    this.nodeIdentities = new NodeIdentities({
      table: tables.nodeIdentities,
      cluster: this.#config['cluster-name'],
      filter: LabelFilter.parseForNodes(this.#config['node-labels']).filter,
      memory: this.#nodeMemory,
    })
  }

  async start(options: ClaimsStart): Promise<void> {
    const {network, facts} = options
    const remembered = await this.#memory.read()
    if (this.#nodeMemory !== undefined) this.nodeIdentities?.restore(await this.#nodeMemory.read())
    const addresses = new AddressClaimants(
      this.#tables,
      this.#addressPlan(network),
      (ip) => facts().internalIps.some((own) => own.equals(ip)),
      options.whenClassed,
      this.nodeIdentities,
    )
    this.#addresses = addresses
    addresses.start(options.restored.length > 0 ? options.restored : remembered.addresses)
    addresses.setPodRanges(facts().podCidrs)
    this.#exempt(addresses)
    const plan = this.#routePlan(network)
    const routes = new RouteClaimants(this.#tables, plan)
    routes.start(remembered.nodes)
    this.#memory.start()
    routes.setPodRanges(facts().podCidrs)
    if (network.defrag) routes.setFixed(fixedRoutes(network.defragIps, hostPeerDevice, plan))
    const {clock, log} = this.#context
    const watch = new DeviceWatch({
      socket: options.socket,
      tables: this.#tables,
      choice: options.choice,
      nodeIps: () => facts().internalIps,
      onHostIps: (ips) => addresses.setHost(ips),
      clock,
      log,
    })
    watch.start()
    this.#endings.push(watch, addresses, routes)
  }

  /** Which classes of addresses policies tell apart. */
  setClasses(classes: AddressClasses): void {
    this.#addresses!.setClasses(classes)
  }

  async stop(): Promise<void> {
    await this.#memory.stop()
    await this.#nodeMemory?.stop()
    for (const part of this.#endings.splice(0)) part.stop()
  }

  #exempt(addresses: AddressClaimants): void {
    if (!this.#config['enable-ip-masq-agent']) return
    const {clock, log} = this.#context
    const path = this.#config['ip-masq-agent-config-path']
    const exemptions = new MasqueradeExemptions({path, clock, log, apply: (cidrs) => addresses.setExempt(cidrs)})
    exemptions.start()
    this.#endings.push(exemptions)
  }

  #addressPlan({ipv4, ipv6, tunnel, underlay}: NodeNetwork): AddressPlan {
    const native = [this.#config['ipv4-native-routing-cidr'], this.#config['ipv6-native-routing-cidr']]
    return {ipv4, ipv6, tunnel, underlay, nativeCidrs: native.filter((cidr) => cidr !== undefined)}
  }

  #routePlan({ipv4, ipv6, tunnel, routeMtu, routerIps}: NodeNetwork): RoutePlan {
    return {
      ...{ipv4, ipv6, overlayDevice, routerIps},
      mode: this.#config['routing-mode'],
      direct: this.#config['auto-direct-node-routes'],
      tunnelMtu: tunnel ? routeMtu : undefined,
    }
  }
}
