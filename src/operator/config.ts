/** The operator's part of the ConfigMap cilium-config. Keys that only agents read are passed over. */
import {Cidr} from '../model/cidr.ts'
import type {IpFamily} from '../model/ip.ts'
import {
  boolOption,
  type ConfigOf,
  type ConfigOption,
  choiceOption,
  cidrListOption,
  durationOption,
  integerOption,
  readConfig,
  textOption,
} from '../runtime/config-options.ts'
import {fail} from '../runtime/errors.ts'
import {runtimeErrors} from '../runtime/runtime-errors.ts'
import {OPERATOR_CONFIG_CONFLICT} from './errors.ts'
import type {FamilyPools} from './ipam/pod-cidrs.ts'

const minute = 60_000

const settings = {
  debug: boolOption(false),
  'log-opt': textOption(''),
  'k8s-kubeconfig-path': textOption(''),
  'k8s-namespace': textOption(''),
  'enable-ipv4': boolOption(true),
  'enable-ipv6': boolOption(false),
  // prefixes of nodes
  ipam: choiceOption('cluster-pool', ['cluster-pool', 'kubernetes']),
  'cluster-pool-ipv4-cidr': pools(4),
  'cluster-pool-ipv4-mask-size': integerOption(24, {min: 1, max: 30}),
  'cluster-pool-ipv6-cidr': pools(6),
  'cluster-pool-ipv6-mask-size': integerOption(120, {min: 1, max: 126}),
  // addresses of load balancers
  'enable-lb-ipam': boolOption(true),
  'default-lb-service-ipam': choiceOption('lbipam', ['lbipam', 'none']),
  // garbage
  'identity-allocation-mode': choiceOption('crd', ['crd']),
  'disable-endpoint-crd': boolOption(false),
  'identity-gc-interval': durationOption(15 * minute),
  'identity-heartbeat-timeout': durationOption(30 * minute),
  'cilium-endpoint-gc-interval': durationOption(5 * minute),
  'nodes-gc-interval': durationOption(5 * minute),
  'unmanaged-pod-watcher-interval': durationOption(0),
  'pod-restart-selector': textOption('k8s-app=kube-dns'),
  // nodes
  'agent-not-ready-taint-key': textOption('node.cilium.io/agent-not-ready'),
  'remove-cilium-node-taints': boolOption(true),
  'set-cilium-node-taints': boolOption(true),
  'set-cilium-is-up-condition': boolOption(true),
  // what policies mean
  'policy-default-local-cluster': boolOption(true),
  'enable-node-selector-labels': boolOption(false),
  'enable-host-firewall': boolOption(false),
  'enable-extended-ip-protocols': boolOption(false),
  // certificates of Hubble
  'cluster-name': textOption('default'),
  'hubble-tls-auto': boolOption(false),
  'hubble-tls-auto-validity-days': integerOption(365, {min: 1, max: 36_500}),
  // definitions
  'skip-crd-creation': boolOption(false),
  'crd-wait-timeout': durationOption(5 * minute),
  // the process
  'operator-api-serve-addr': textOption('localhost:9234'),
  'operator-prometheus-serve-addr': textOption(':9963'),
  'enable-metrics': boolOption(false),
  metrics: textOption(''),
  'leader-election-lease-duration': durationOption(15_000),
  'leader-election-renew-deadline': durationOption(10_000),
  'leader-election-retry-period': durationOption(2_000),
} as const

export type OperatorConfigKey = keyof typeof settings
export type OperatorConfig = ConfigOf<typeof settings> & {
  /** one entry per family that is on; empty unless ipam is cluster-pool */
  readonly families: readonly FamilyPools[]
}

/**
 * Reads and checks the configuration.
 *
 * @throws CONFIG_INVALID with every wrong value, OPERATOR_CONFIG_CONFLICT
 */
export function parseOperatorConfig(texts: ReadonlyMap<string, string>): OperatorConfig {
  const {config, problems} = readConfig(settings, texts)
  if (problems.length > 0) {
    const list = problems.map(({key, value, problem}) => `${key}=${JSON.stringify(value.slice(0, 200))} ${problem}`)
    fail(runtimeErrors.CONFIG_INVALID, {problems: list.join('; ')})
  }
  const conflict = (detail: string) => fail(OPERATOR_CONFIG_CONFLICT, {detail})
  if (!config['enable-ipv4'] && !config['enable-ipv6']) conflict('enable-ipv4 and enable-ipv6 are both false')
  if (config['set-cilium-node-taints'] && !config['remove-cilium-node-taints']) {
    conflict('set-cilium-node-taints=true needs remove-cilium-node-taints=true, or taints would stay for ever')
  }
  if (config['leader-election-renew-deadline'] >= config['leader-election-lease-duration']) {
    conflict('leader-election-renew-deadline must be shorter than leader-election-lease-duration')
  }
  return {...config, families: config.ipam === 'cluster-pool' ? families(config, conflict) : []}
}

export function isOperatorKey(key: string): key is OperatorConfigKey {
  return Object.hasOwn(settings, key)
}

function families(config: ConfigOf<typeof settings>, conflict: (detail: string) => never): FamilyPools[] {
  return ([4, 6] as const)
    .filter((family) => config[`enable-ipv${family}`])
    .map((family) => {
      const list = config[`cluster-pool-ipv${family}-cidr`]
      const nodeMask = config[`cluster-pool-ipv${family}-mask-size`]
      if (list.length === 0) conflict(`ipam=cluster-pool with enable-ipv${family} needs cluster-pool-ipv${family}-cidr`)
      for (const [index, pool] of list.entries()) {
        if (pool.length > nodeMask) {
          conflict(`pool ${pool} is smaller than one node's prefix (cluster-pool-ipv${family}-mask-size=${nodeMask})`)
        }
        const other = list.slice(index + 1).find((one) => one.overlaps(pool))
        if (other !== undefined) conflict(`pools ${pool} and ${other} overlap`)
      }
      return {family, pools: list, nodeMask}
    })
}

/** Prefixes of one family without host bits: a typing mistake there would move the whole pool. */
function pools(family: IpFamily): ConfigOption<readonly Cidr[]> {
  return {
    fallback: [],
    read(text) {
      const found = cidrListOption().read(text)
      const words = text.split(/[\s,]+/).filter((word) => word !== '')
      for (const [index, cidr] of found.entries()) {
        if (cidr.family !== family) throw new Error(`must be a list of IPv${family} prefixes (${cidr} is none)`)
        if (Cidr.parse(words[index]!, {hostBits: 'refuse'}) === undefined) {
          throw new Error(`must be a list of networks (${words[index]} has host bits; its network is ${cidr})`)
        }
      }
      return found
    },
  }
}
