/**
 * The agent's configuration: a folder of files (the mounted ConfigMap cilium-config), one per key, named and spelled
 * as Cilium's. Later sources win: defaults, the folder, command line. A value that is wrong ends the process with its
 * key and what is allowed; a key that nobody knows is told, and ignored.
 */
import {readdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {Cidr} from '../model/cidr.ts'
import {LabelFilter} from '../model/label-filter.ts'
import {fail} from '../runtime/errors.ts'
import {
  choice,
  cidr,
  cidrs,
  duration,
  flag,
  fraction,
  number,
  pairs,
  type Setting,
  text,
  words,
} from './config-settings.ts'
import {codes} from './errors.ts'

const settings = {
  // basics
  debug: flag(false, {mutable: true}),
  'debug-verbose': words(),
  'log-opt': pairs({mutable: true}),
  'cluster-name': text('default'),
  'cluster-id': number(0, 0, 255),
  'k8s-kubeconfig-path': text(''),
  'k8s-api-server-urls': words(),
  'k8s-client-qps': number(10, 1, 10_000),
  'k8s-client-burst': number(20, 1, 20_000),
  'k8s-require-ipv4-pod-cidr': flag(false),
  'k8s-require-ipv6-pod-cidr': flag(false),
  'state-dir': text('/var/run/cilium'),
  /** what has to outlive a reboot */
  'lib-dir': text('/var/lib/cilium'),
  'bpf-root': text('/sys/fs/bpf'),
  procfs: text('/proc'),
  'cgroup-root': text('/run/cilium/cgroupv2'),
  'annotate-k8s-node': flag(false),
  'agent-health-port': number(9879, 1, 65_535),
  'cluster-health-port': number(4240, 1, 65_535),
  'enable-health-checking': flag(true),
  'enable-endpoint-health-checking': flag(true),
  'agent-health-require-k8s-connectivity': flag(true),
  'health-check-icmp-failure-threshold': number(3, 1, 100),
  'agent-not-ready-taint-key': text('node.cilium.io/agent-not-ready'),
  'prometheus-serve-addr': text(''),
  metrics: words(),
  // identities and policy
  'identity-allocation-mode': choice(['crd'], 'crd'),
  'identity-change-grace-period': duration(5000),
  labels: text(''),
  'enable-policy': choice(['default', 'always', 'never'], 'default', {mutable: true}),
  'enable-k8s-networkpolicy': flag(true),
  'enable-source-ip-verification': flag(true),
  'enable-icmp-rules': flag(true),
  // addresses and routes
  'enable-ipv4': flag(true),
  'enable-ipv6': flag(false),
  'routing-mode': choice(['tunnel', 'native'], 'tunnel'),
  'tunnel-protocol': choice(['vxlan'], 'vxlan'),
  'tunnel-port': number(8472, 0, 65_535),
  'underlay-protocol': choice(['auto', 'ipv4', 'ipv6'], 'auto'),
  'auto-direct-node-routes': flag(false),
  'direct-routing-skip-unreachable': flag(false),
  'ipv4-native-routing-cidr': cidr(4),
  'ipv6-native-routing-cidr': cidr(6),
  'enable-endpoint-routes': flag(true),
  mtu: number(0, 0, 65_535),
  devices: words(),
  'force-device-detection': flag(false),
  'enable-ipv4-masquerade': flag(true),
  'enable-ipv6-masquerade': flag(true),
  'enable-bpf-masquerade': flag(true),
  'egress-masquerade-interfaces': words(),
  'enable-pmtu-discovery': flag(true),
  // address management
  ipam: choice(['cluster-pool', 'kubernetes'], 'cluster-pool'),
  'cluster-pool-ipv4-cidr': cidrs(4),
  'cluster-pool-ipv4-mask-size': number(24, 1, 32),
  'cluster-pool-ipv6-cidr': cidrs(6),
  'cluster-pool-ipv6-mask-size': number(120, 1, 128),
  // datapath
  'datapath-mode': choice(['veth'], 'veth'),
  'enable-tcx': flag(true),
  'enable-host-legacy-routing': flag(false),
  'preallocate-bpf-maps': flag(false),
  'bpf-map-dynamic-size-ratio': fraction(0.0025),
  'bpf-ct-global-tcp-max': number(0, 0, 16_777_216),
  'bpf-ct-global-any-max': number(0, 0, 16_777_216),
  'monitor-aggregation': choice(['none', 'lowest', 'low', 'medium', 'maximum'], 'medium', {mutable: true}),
  'monitor-aggregation-interval': duration(5000),
  'monitor-aggregation-flags': words(['all']),
  'bpf-events-drop-enabled': flag(true),
  'bpf-events-policy-verdict-enabled': flag(true),
  'bpf-events-trace-enabled': flag(true),
  'node-port-range': text('30000,32767'),
  'kube-proxy-replacement': choice(['true', 'false'], 'false'),
  // CNI
  'write-cni-conf-when-ready': text(''),
  'custom-cni-conf': flag(false),
  'cni-exclusive': flag(true),
  'cni-uninstall': flag(false),
  'cni-chaining-mode': choice(['none'], 'none'),
  'cni-log-file': text('/var/run/cilium/cilium-cni.log'),
  // flows
  'enable-hubble': flag(true),
  'hubble-socket-path': text('/var/run/cilium/hubble.sock'),
  'hubble-listen-address': text(''),
} as const

type Settings = typeof settings
export type ConfigKey = keyof Settings
export type AgentConfig = {readonly [K in ConfigKey]: Settings[K] extends Setting<infer T> ? T : never} & {
  readonly nodeName: string
}

/** Keys that the operator, a later feature or nobody here reads, but that belong to the same ConfigMap. */
const readElsewhere =
  /^(operator-|hubble-|enable-hubble|bpf-lb-|bpf-|clustermesh-|mesh-auth-|proxy-|envoy-|tofqdns-|dnsproxy-|gateway-api-|ingress-|egress-gateway-|nodeport-|node-port-|kube-proxy-|loadbalancer-|encryption-|ipsec-|wireguard-|identity-|ces-|ipam-|vtep-|cluster-pool-|auto-create-|unmanaged-|pod-restart-|cilium-endpoint-gc-|nodes-gc-|cni-|skip-crd-|remove-cilium-|set-cilium-|direct-routing-device$|trace-sock$|read-cni-conf$|synchronize-|crd-wait-|enable-)/

export interface LoadedConfig {
  readonly config: AgentConfig
  /** keys of the folder that are not known, sorted */
  readonly unknown: readonly string[]
  /** problems that do not end the process, such as an expression of the label filter */
  readonly problems: readonly string[]
  /** the texts as given, for showing: GET /config, agent-runtime-config.json */
  readonly texts: Readonly<Record<string, string>>
}

/**
 * Reads the folder.
 *
 * @param overrides texts from the command line, by key
 * @throws CONFIG_DIR_UNREADABLE, CONFIG_VALUE_INVALID, CONFIG_CONFLICT, NODE_NAME_UNKNOWN
 */
export async function loadConfig(
  folder: string | undefined,
  overrides: Readonly<Record<string, string>>,
  nodeName: string | undefined,
): Promise<LoadedConfig> {
  const texts = {...(folder === undefined ? {} : await readFolder(folder)), ...overrides}
  return parseConfig(texts, nodeName)
}

/** The pure half of `loadConfig`. */
export function parseConfig(texts: Readonly<Record<string, string>>, nodeName: string | undefined): LoadedConfig {
  const values: Record<string, unknown> = {}
  for (const [key, setting] of Object.entries(settings) as [ConfigKey, Setting<unknown>][]) {
    const given = texts[key]?.trim()
    values[key] = given === undefined ? setting.initial : parseValue(key, given)
  }
  if (nodeName === undefined || nodeName === '') fail(codes.NODE_NAME_UNKNOWN)
  const config = {...values, nodeName} as unknown as AgentConfig
  checkTogether(config)
  return {
    config,
    texts,
    unknown: Object.keys(texts)
      .filter((key) => !(key in settings) && !readElsewhere.test(key))
      .sort(),
    problems: LabelFilter.parse(config.labels).problems,
  }
}

/**
 * The same configuration with a few keys changed while the agent runs.
 *
 * @throws CONFIG_KEY_IMMUTABLE, CONFIG_VALUE_INVALID
 */
export function changeConfig(config: AgentConfig, changes: Readonly<Record<string, string>>): AgentConfig {
  const changed: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(changes)) {
    if (!isKey(key) || !settings[key].mutable) {
      fail(codes.CONFIG_KEY_IMMUTABLE, {key: key.slice(0, 64), mutable: mutableKeys().join(', ')})
    }
    changed[key] = parseValue(key, value.trim())
  }
  return {...config, ...changed}
}

export function mutableKeys(): readonly ConfigKey[] {
  return (Object.keys(settings) as ConfigKey[]).filter((key) => settings[key].mutable)
}

export function isKey(key: string): key is ConfigKey {
  return Object.hasOwn(settings, key)
}

/** A value as the text that would give it; what status and `cilium-dbg config` show. */
export function formatValue(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(' ')
  if (value === undefined) return ''
  if (typeof value === 'object' && value !== null && !(value instanceof Cidr)) {
    return Object.entries(value)
      .map(([key, one]) => `${key}=${one}`)
      .join(',')
  }
  return String(value)
}

function parseValue(key: ConfigKey, given: string): unknown {
  const parsed = (settings[key] as Setting<unknown>).parse(given)
  if ('value' in parsed) return parsed.value
  return fail(codes.CONFIG_VALUE_INVALID, {
    key,
    value: JSON.stringify(given.slice(0, 200)),
    allowed: `must be ${parsed.allowed}`,
  })
}

function checkTogether(config: AgentConfig): void {
  const conflict = (detail: string) => fail(codes.CONFIG_CONFLICT, {detail})
  if (!config['enable-ipv4'] && !config['enable-ipv6']) conflict('enable-ipv4 and enable-ipv6 are both false')
  if (config['cluster-id'] !== 0 && config['cluster-name'] === 'default') {
    conflict('cluster-id is set, so cluster-name must be something else than "default"')
  }
  if (!/^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/.test(config['cluster-name'])) {
    conflict(
      `cluster-name ${JSON.stringify(config['cluster-name'])} must be 1 to 32 lower-case letters, digits and dashes`,
    )
  }
  if (config['routing-mode'] === 'native') {
    for (const [family, masquerade, native] of [
      ['ipv4', config['enable-ipv4'] && config['enable-ipv4-masquerade'], config['ipv4-native-routing-cidr']],
      ['ipv6', config['enable-ipv6'] && config['enable-ipv6-masquerade'], config['ipv6-native-routing-cidr']],
    ] as const) {
      if (masquerade && native === undefined) {
        conflict(
          `routing-mode=native with ${family} masquerading needs ${family}-native-routing-cidr, the range that is reached without masquerading`,
        )
      }
    }
  } else if (config['auto-direct-node-routes']) {
    conflict('auto-direct-node-routes=true needs routing-mode=native')
  }
  if (config.mtu !== 0 && config.mtu < (config['enable-ipv6'] ? 1280 : 576)) {
    conflict(`mtu=${config.mtu} is below what ${config['enable-ipv6'] ? 'IPv6 needs (1280)' : 'IPv4 needs (576)'}`)
  }
  if (config['underlay-protocol'] === 'ipv6' && !config['enable-ipv6']) {
    conflict('underlay-protocol=ipv6 needs enable-ipv6=true')
  }
}

/** Kubernetes mounts a ConfigMap as links into ..data; names that begin with a dot are its own. */
async function readFolder(folder: string): Promise<Record<string, string>> {
  try {
    const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort()
    return Object.fromEntries(
      await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const)),
    )
  } catch (thrown) {
    return fail(codes.CONFIG_DIR_UNREADABLE, {path: folder, detail: (thrown as Error).message}, {cause: thrown})
  }
}
