/** A small shop whose flows tests look at: who there is, and who talks to whom. */
import {dropCodes} from '../../../src/model/drop-reasons.ts'
import type {EventInput, TestObserver} from './observer.ts'

export interface Workload {
  readonly name: string
  readonly namespace: string
  readonly kind: string
  readonly ip: string
  readonly identity: number
}

export interface Talk {
  readonly from: string
  readonly to: string
  readonly port: number
  /** a number of IP, 6 unless given */
  readonly protocol?: number
  readonly outcome?: 'forwarded' | 'denied' | 'dropped' | 'audited'
  /** cookie of the policy that decided */
  readonly policy?: number
}

const outside: Readonly<Record<string, {readonly ip: string; readonly identity: number}>> = {
  world: {ip: '203.0.113.7', identity: 2},
  host: {ip: '192.168.1.10', identity: 1},
  'kube-apiserver': {ip: '192.168.1.2', identity: 7},
}

export class Shop {
  readonly #observer: TestObserver
  readonly #workloads = new Map<string, Workload>()
  #port = 32_768

  constructor(observer: TestObserver) {
    this.#observer = observer
  }

  /** @param ipv6 addresses of the new kind */
  open(names: readonly (string | {name: string; kind: string})[], namespace = 'shop', ipv6 = false): void {
    for (const entry of names) {
      const {name, kind} = typeof entry === 'string' ? {name: entry, kind: 'Deployment'} : entry
      const number = this.#workloads.size + 1
      const [high, low] = [number >> 8, number & 0xff]
      const ip = ipv6 ? `fd00:10::${number.toString(16)}` : `10.0.${high}.${low}`
      this.#workloads.set(name, {name, namespace, kind, ip, identity: 10_000 + number})
    }
    this.#observer.tell({
      endpoints: [...this.#workloads.values()].map((one) => [
        one.ip,
        {
          namespace: one.namespace,
          podName: `${one.name}-7d9f${one.identity.toString(36)}-x2x${one.identity % 7}`,
          labels: [],
          workloads: [{name: one.name, kind: one.kind}],
          clusterName: 'default',
        },
      ]),
      identities: [...this.#workloads.values()].map((one) => [
        one.identity,
        [
          `k8s:app=${one.name}`,
          'k8s:io.cilium.k8s.policy.cluster=default',
          `k8s:io.kubernetes.pod.namespace=${one.namespace}`,
        ],
      ]),
    })
  }

  policy(cookie: number, name: string, namespace = 'shop', kind = 'CiliumNetworkPolicy'): void {
    this.#observer.tell({policies: [[cookie, {name, namespace, kind, labels: []}]]})
  }

  say(...talks: readonly Talk[]): void {
    this.#observer.ring.write(...talks.flatMap((talk) => this.#events(talk)))
  }

  #events({from, to, port, protocol = 6, outcome = 'forwarded', policy = 0}: Talk): EventInput[] {
    const [a, b] = [this.#who(from), this.#who(to)]
    const isPod = this.#workloads.has(to)
    this.#port = this.#port >= 60_999 ? 32_768 : this.#port + 1
    const base = {
      from: a.ip,
      to: b.ip,
      srcIdentity: a.identity,
      dstIdentity: b.identity,
      sport: this.#port,
      dport: port,
      proto: protocol,
      tcpFlags: protocol === 6 ? 2 : 0,
      srcEndpoint: this.#workloads.has(from) ? a.identity - 10_000 : 0,
      dstEndpoint: isPod ? b.identity - 10_000 : 0,
    }
    const verdict = {...base, type: 5, direction: 1, cookie: policy, reason: 2}
    switch (outcome) {
      case 'denied':
        return [
          {...verdict, verdict: -(policy === 0 ? dropCodes['POLICY_DENIED']! : dropCodes['POLICY_DENY']!)},
          {
            ...base,
            type: 1,
            direction: 1,
            cookie: policy,
            point: policy === 0 ? dropCodes['POLICY_DENIED']! : dropCodes['POLICY_DENY']!,
          },
        ]
      case 'dropped':
        return [{...base, type: 1, point: dropCodes['SERVICE_BACKEND_NOT_FOUND'] ?? 158}]
      case 'audited':
        return [{...verdict, flags: base.from.includes(':') ? 17 : 16}]
      default:
        return [
          ...(policy === 0 ? [] : [verdict]),
          {...base, type: 4, point: 5, reason: 0},
          {...base, type: 4, point: isPod ? 0 : 3, reason: 0},
        ]
    }
  }

  #who(name: string): {readonly ip: string; readonly identity: number} {
    const found = this.#workloads.get(name) ?? outside[name]
    if (found === undefined) throw new Error(`nobody is called ${name}`)
    return found
  }
}

/** A day in the shop: who is there and what they usually do. */
export function usualShop(observer: TestObserver): {readonly shop: Shop; readonly day: readonly Talk[]} {
  const shop = new Shop(observer)
  shop.open([
    'frontend',
    'cart',
    'checkout',
    'catalog',
    'payments',
    'recommendations',
    'email',
    'ads',
    {name: 'redis-cart', kind: 'StatefulSet'},
    {name: 'orders-db', kind: 'StatefulSet'},
    {name: 'load-generator', kind: 'Job'},
  ])
  shop.open(['coredns'], 'kube-system')
  shop.open(['prometheus'], 'monitoring')
  shop.policy(7, 'payments-callers')
  shop.policy(8, 'frontend-ingress')
  const dns = ['frontend', 'cart', 'checkout', 'payments', 'email'].map((from) => ({
    from,
    to: 'coredns',
    port: 53,
    protocol: 17,
  }))
  const day: Talk[] = [
    {from: 'world', to: 'frontend', port: 8080, policy: 8},
    {from: 'load-generator', to: 'frontend', port: 8080},
    {from: 'frontend', to: 'cart', port: 7070},
    {from: 'frontend', to: 'catalog', port: 3550},
    {from: 'frontend', to: 'recommendations', port: 8080},
    {from: 'frontend', to: 'ads', port: 9555},
    {from: 'frontend', to: 'checkout', port: 5050},
    {from: 'recommendations', to: 'catalog', port: 3550},
    {from: 'cart', to: 'redis-cart', port: 6379},
    {from: 'checkout', to: 'cart', port: 7070},
    {from: 'checkout', to: 'catalog', port: 3550},
    {from: 'checkout', to: 'email', port: 8080},
    {from: 'checkout', to: 'payments', port: 50051, policy: 7},
    {from: 'checkout', to: 'orders-db', port: 5432},
    {from: 'payments', to: 'world', port: 443},
    {from: 'email', to: 'world', port: 587},
    {from: 'prometheus', to: 'checkout', port: 9464},
    {from: 'prometheus', to: 'payments', port: 9464},
    ...dns,
  ]
  return {shop, day}
}
