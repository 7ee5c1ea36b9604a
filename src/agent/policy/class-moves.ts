/**
 * The classes of addresses in force, and the way from one division to the next: an address changes its class only when
 * peers of both are in the maps, so every packet meets a class that its sets know.
 */
import type {CidrSelector} from '../../policy/cidr-selector.ts'
import type {AddressRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'
import {AddressClasses} from './address-classes.ts'
import {HashedNumbers} from './class-numbers.ts'
import type {PolicyEngine} from './engine.ts'
import type {PeerRows} from './peer-rows.ts'
import type {PortNames} from './port-names.ts'

export interface ClassMovesOptions {
  readonly tables: Pick<Tables, 'addresses' | 'endpoints'>
  readonly engine: PolicyEngine
  readonly rows: PeerRows
  readonly ports: PortNames
  readonly addresses: {
    setClasses(classes: AddressClasses): void
  }
  /** Resolves when the address maps follow the address table. */
  readonly addressesSettled: () => Promise<void>
  /** prefixes of Cilium's policies mean nodes, too */
  readonly nodesMatch: boolean
}

export class ClassMoves {
  readonly #options: ClassMovesOptions
  readonly #numbers = new HashedNumbers()
  #classes: AddressClasses
  #count = 0
  #moved = false
  #stale = false
  #resolveMoved!: () => void
  /** Addresses have the classes of the policies that there are. */
  readonly whenMoved = new Promise<void>((resolve) => {
    this.#resolveMoved = resolve
  })

  constructor(options: ClassMovesOptions) {
    this.#options = options
    this.#classes = this.#classesOf([])
  }

  /** What a life before has asked about prefixes: its classes are in the maps. */
  restore(selectors: readonly CidrSelector[]): void {
    this.#classes = this.#classesOf(selectors)
  }

  /** Pods of an identity have begun or ended to disagree about port names: their addresses have to tell it. */
  invalidate(): void {
    this.#stale = true
  }

  /** Until every question about prefixes that policies ask has its classes. */
  async follow(): Promise<void> {
    const {engine} = this.#options
    for (;;) {
      const missing = engine.cidrSelectors().filter(({key}) => !this.#classes.selectors.has(key))
      if (missing.length === 0 && !this.#stale && this.#moved) break
      this.#stale = false
      await this.#move([...this.#classes.selectors.values(), ...missing])
    }
    const {all} = this.#classes
    // an address that came may have made a class
    if (all.length !== this.#count) engine.groups.setClasses(all)
    this.#count = all.length
  }

  /** Forgets questions that no policy asks any more. */
  async tidy(): Promise<void> {
    const wanted = new Map(this.#options.engine.cidrSelectors().map((selector) => [selector.key, selector]))
    if ([...this.#classes.selectors.keys()].every((key) => wanted.has(key))) return
    await this.#move([...wanted.values()])
  }

  /** Gives addresses the classes of these questions. The classes before stay known until no address has one. */
  async #move(selectors: readonly CidrSelector[]): Promise<void> {
    const {tables, engine, rows, addresses, addressesSettled} = this.#options
    const {groups} = engine
    const before = this.#classes.all
    const next = this.#classesOf(selectors)
    // an address may make a class of its own
    for (const row of tables.addresses.values()) next.classOf(row)
    groups.setClasses([...before, ...next.all])
    rows.write()
    this.#classes = next
    addresses.setClasses(next)
    await addressesSettled()
    groups.setClasses(next.all)
    rows.write()
    this.#moved = true
    this.#resolveMoved()
  }

  #classesOf(selectors: readonly CidrSelector[]): AddressClasses {
    const {tables, ports, nodesMatch} = this.#options
    const podOf = ({endpoint, owner}: AddressRow) => {
      if (endpoint === undefined) return owner.slice('pod/'.length)
      const row = tables.endpoints.get(String(endpoint.slot))
      return `${row?.namespace}/${row?.pod}`
    }
    return new AddressClasses(selectors, {
      numbers: this.#numbers,
      nodesMatch,
      portsOf: (row) => ports.ofPod(podOf(row)),
      differ: (id) => ports.of(id) === 'differ',
    })
  }
}
