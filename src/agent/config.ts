/**
 * The agent's configuration: a folder of files (the mounted ConfigMap cilium-config), one per key, named and spelled
 * as Cilium's. Later sources win: defaults, the folder, command line. A value that is wrong ends the process with its
 * key and what is allowed; a key that nobody knows is told, and ignored.
 */

import {FlowFilter as FlowFilterMessage} from '../api/gen/flow.ts'
import {messageFromJson} from '../api/wire/json.ts'
import {EVENT_PAYLOAD_MAX} from '../datapath/gen/constants.ts'
import {capacityOf, capacityWithoutBudget} from '../hubble/observe/flow-capacity.ts'
import {Cidr} from '../model/cidr.ts'
import {dropCodes, findDropReason} from '../model/drop-reasons.ts'
import {Ip} from '../model/ip.ts'
import {LabelFilter} from '../model/label-filter.ts'
import {liveConfigKeys} from '../model/live-config.ts'
import {parseQuantity} from '../model/quantity.ts'
import {readConfigDirectory} from '../runtime/config-directory.ts'
import {
  type ConfigOf,
  type ConfigOption,
  choiceOption,
  cidrListOption,
  durationOption as duration,
  boolOption as flag,
  integerOption,
  numberOption,
  readConfig,
  textOption as text,
  listOption as words,
} from '../runtime/config-options.ts'
import {fail} from '../runtime/errors.ts'
import {codes} from './errors.ts'
import {maglevSeedBytes, maglevSizes} from './service/maglev.ts'

const number = (fallback: number, min: number, max: number) => integerOption(fallback, {min, max})

function choice<const T extends string>(allowed: readonly T[], fallback: NoInfer<T>): ConfigOption<T> {
  return choiceOption(fallback as T, allowed)
}

/** One prefix of a family, or none. */
function cidr(family: 4 | 6): ConfigOption<Cidr | undefined> {
  return {
    fallback: undefined,
    read(value) {
      const parsed = Cidr.parse(value)
      if (parsed?.family === family) return parsed
      throw new Error(`must be an IPv${family} prefix such as ${family === 6 ? 'fd00::/104' : '10.0.0.0/8'}`)
    },
  }
}

/** Prefixes of one family. */
function cidrs(family: 4 | 6): ConfigOption<readonly Cidr[]> {
  return {
    fallback: [],
    read(value) {
      const parsed = cidrListOption().read(value)
      const foreign = parsed.find((one) => one.family !== family)
      if (foreign !== undefined) throw new Error(`must be a list of IPv${family} CIDRs (${foreign} is none)`)
      return parsed
    },
  }
}

/** One address of a family. */
function address(family: 4 | 6, fallback: string): ConfigOption<Ip> {
  return {
    fallback: Ip.of(fallback),
    read(value) {
      const parsed = Ip.parse(value)
      if (parsed?.family === family) return parsed
      throw new Error(`must be an IPv${family} address such as ${fallback}`)
    },
  }
}

/** Filters of flows, one JSON object after the other. */
const flowFilters: ConfigOption<readonly FlowFilterMessage[]> = {
  fallback: [],
  read(value) {
    const objects = value.split(/(?<=\})[\s,]+(?=\{)/).filter((part) => part.trim() !== '')
    return objects.map((part) => messageFromJson(FlowFilterMessage, JSON.parse(part)))
  },
}

/** Reasons of drops by any of their names; their codes. */
const reasonCodes: ConfigOption<readonly number[]> = {
  fallback: [dropCodes['POLICY_DENIED']!, dropCodes['AUTH_REQUIRED']!],
  read(value) {
    return value
      .split(/[\s,]+/)
      .filter((word) => word !== '')
      .map((word) => {
        const reason = findDropReason(word)
        if (reason === undefined) throw new Error(`must be reasons of drops such as policy_denied, not ${word}`)
        return reason.code
      })
  },
}

/** Specs of metrics, separated by white space alone: options have commas of their own. */
const metricSpecs: ConfigOption<readonly string[]> = {
  fallback: [],
  read: (value) => value.split(/\s+/).filter((word) => word !== ''),
}

/** Bytes, as Kubernetes writes them; 0: not set. */
const bytes: ConfigOption<number> = {
  fallback: 0,
  read(value) {
    const number = parseQuantity(value)
    if (number !== undefined && Number.isInteger(number) && number >= 0) return number
    throw new Error('must be an amount of memory such as 256Mi')
  },
}

/** How many flows are remembered: one less than a power of two; 0: not set. */
const storeCapacity: ConfigOption<number> = {
  fallback: 0,
  read(value) {
    const number = Number(value)
    if (Number.isInteger(number) && number >= 1 && number < 2 ** 24 && ((number + 1) & number) === 0) return number
    throw new Error('must be one less than a power of two, such as 4095 or 65535')
  },
}

const maglevSize: ConfigOption<number> = {
  fallback: 16_381,
  read(value) {
    const size = maglevSizes.find((one) => String(one) === value)
    if (size !== undefined) return size
    throw new Error(`must be one of ${maglevSizes.join(', ')}`)
  },
}

/** The same on every node; the default is the one of existing clusters. */
const maglevSeed: ConfigOption<string> = {
  fallback: 'JLfvgnHc2kaSUFaI',
  read(value) {
    if (/^[A-Za-z0-9+/]{16}$/.test(value)) return value
    throw new Error(`must be ${maglevSeedBytes} bytes in base64, as from head -c12 /dev/urandom | base64 -w0`)
  },
}

/** `key=value` pairs separated by commas. */
const pairs: ConfigOption<Readonly<Record<string, string>>> = {
  fallback: {},
  read(value) {
    const entries = value.split(',').map((part) => part.split('=', 2).map((side) => side.trim()))
    if (entries.some(([key, one]) => key === '' || one === undefined)) {
      throw new Error('must be pairs such as format=json,level=info')
    }
    return Object.fromEntries(entries as [string, string][])
  },
}

const settings = {
  // basics
  debug: flag(false),
  'debug-verbose': words(),
  'log-opt': pairs,
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
  'node-labels': text(''),
  'enable-policy': choice(['default', 'always', 'never'], 'default'),
  'policy-audit-mode': flag(false),
  'policy-deny-response': choice(['none', 'icmp', 'reset'], 'none'),
  'enable-k8s-networkpolicy': flag(true),
  'enable-source-ip-verification': flag(true),
  'enable-icmp-rules': flag(true),
  'policy-cidr-match-mode': words(),
  'policy-default-local-cluster': flag(true),
  'enable-node-selector-labels': flag(false),
  'enable-host-firewall': flag(false),
  'host-firewall-failsafe': flag(true),
  'enable-extended-ip-protocols': flag(false),
  // addresses and routes
  'enable-ipv4': flag(true),
  'enable-ipv6': flag(false),
  'routing-mode': choice(['tunnel', 'native'], 'tunnel'),
  'tunnel-protocol': choice(['vxlan', 'geneve'], 'vxlan'),
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
  'enable-masquerade-to-route-source': flag(false),
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
  'bpf-map-dynamic-size-ratio': numberOption(0.0025, {min: 0, max: 1}),
  'bpf-ct-global-tcp-max': number(0, 0, 16_777_216),
  'bpf-ct-global-any-max': number(0, 0, 16_777_216),
  'monitor-aggregation': choice(['none', 'lowest', 'low', 'medium', 'maximum'], 'medium'),
  'monitor-aggregation-interval': duration(5000),
  'monitor-aggregation-flags': words(['syn', 'fin', 'rst']),
  'bpf-events-drop-enabled': flag(true),
  'bpf-events-policy-verdict-enabled': flag(true),
  'bpf-events-trace-enabled': flag(true),
  'trace-sock': flag(true),
  'trace-payloadlen': number(0, 0, EVENT_PAYLOAD_MAX),
  'node-port-range': text('30000,32767'),
  'kube-proxy-replacement': choice(['true', 'false'], 'false'),
  // services
  'nodeport-addresses': cidrListOption(),
  'enable-health-check-nodeport': flag(true),
  'bpf-lb-map-max': number(65_536, 1024, 1_048_576),
  'bpf-lb-sock': flag(false),
  'bpf-lb-sock-hostns-only': flag(false),
  'bpf-lb-sock-terminate-pod-connections': flag(true),
  'node-port-bind-protection': flag(true),
  'bpf-lb-external-clusterip': flag(false),
  'bpf-lb-algorithm': choice(['random', 'maglev'], 'random'),
  'bpf-lb-algorithm-annotation': flag(false),
  'bpf-lb-maglev-table-size': maglevSize,
  'bpf-lb-maglev-hash-seed': maglevSeed,
  'bpf-lb-mode': choice(['snat', 'dsr', 'hybrid'], 'snat'),
  'bpf-lb-mode-annotation': flag(false),
  'bpf-lb-dsr-dispatch': choice(['opt', 'ipip', 'geneve'], 'opt'),
  'nat-map-stats-interval': duration(30_000),
  'bpf-lb-acceleration': choice(['disabled', 'native', 'generic', 'best-effort'], 'disabled'),
  'enable-service-topology': flag(false),
  'enable-sctp': flag(false),
  'bpf-lb-source-range-all-types': flag(false),
  'k8s-service-proxy-name': text(''),
  'kube-proxy-replacement-healthz-bind-address': text(''),
  'enable-l2-announcements': flag(false),
  'l2-announcements-lease-duration': duration(15_000),
  'l2-announcements-renew-deadline': duration(5000),
  'l2-announcements-retry-period': duration(2000),
  'enable-local-redirect-policy': flag(false),
  'lrp-address-matcher-cidrs': cidrListOption(),
  'enable-ip-masq-agent': flag(false),
  'ip-masq-agent-config-path': text('/etc/config/ip-masq-agent'),
  'ipv4-service-loopback-address': address(4, '169.254.42.1'),
  'ipv6-service-loopback-address': address(6, '100::a9fe:2a01'),
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
  'hubble-event-buffer-capacity': storeCapacity,
  'hubble-memory-budget': bytes,
  'hubble-prefer-ipv6': flag(false),
  'hubble-export-file-path': text(''),
  'hubble-export-file-max-size-mb': number(10, 1, 100_000),
  'hubble-export-file-max-backups': number(5, 0, 10_000),
  'hubble-export-file-compress': flag(false),
  'hubble-export-fieldmask': words(),
  'hubble-export-allowlist': flowFilters,
  'hubble-export-denylist': flowFilters,
  'hubble-export-fieldaggregate': words(),
  'hubble-export-aggregation-interval': duration(0),
  'hubble-flowlogs-config-path': text(''),
  'hubble-export-otlp-endpoint': text(''),
  'hubble-export-otlp-signals': words(),
  'hubble-export-otlp-tls': flag(false),
  'hubble-export-otlp-secret-path': text(''),
  'hubble-export-otlp-allowlist': flowFilters,
  'hubble-export-otlp-denylist': flowFilters,
  'hubble-export-otlp-fieldaggregate': words(),
  'hubble-export-otlp-aggregation-interval': duration(0),
  'hubble-redact-enabled': flag(false),
  'hubble-redact-http-urlquery': flag(false),
  'hubble-redact-http-userinfo': flag(true),
  'hubble-redact-http-headers-allow': words(),
  'hubble-redact-http-headers-deny': words(),
  'hubble-redact-kafka-apikey': flag(true),
  'hubble-drop-events': flag(false),
  'hubble-drop-events-interval': duration(120_000),
  'hubble-drop-events-reasons': reasonCodes,
  'hubble-metrics': metricSpecs,
  'hubble-metrics-server': text(':9965'),
  'hubble-metrics-server-enable-tls': flag(false),
  'hubble-metrics-server-tls-cert-file': text(''),
  'hubble-metrics-server-tls-key-file': text(''),
  'hubble-metrics-server-tls-client-ca-files': words(),
  'hubble-dynamic-metrics-config-path': text(''),
  'enable-hubble-open-metrics': flag(false),
  'hubble-disable-tls': flag(false),
  'hubble-tls-cert-file': text(''),
  'hubble-tls-key-file': text(''),
  'hubble-tls-client-ca-files': words(),
} as const

export type ConfigKey = keyof typeof settings
export type AgentConfig = ConfigOf<typeof settings> & {readonly nodeName: string}

/** What may change while the agent runs, by the ConfigMap or by PATCH /config. */
export const mutableKeys: readonly ConfigKey[] = liveConfigKeys

/** Keys that the operator, a later feature or nobody here reads, but that belong to the same ConfigMap. */
const readElsewhere =
  /^(operator-|hubble-|enable-hubble|bpf-lb-|bpf-|clustermesh-|mesh-auth-|proxy-|envoy-|tofqdns-|dnsproxy-|gateway-api-|ingress-|egress-gateway-|nodeport-|node-port-|kube-proxy-|loadbalancer-|encryption-|ipsec-|wireguard-|identity-|ces-|ipam-|vtep-|cluster-pool-|auto-create-|unmanaged-|pod-restart-|cilium-endpoint-gc-|nodes-gc-|cni-|skip-crd-|remove-cilium-|set-cilium-|direct-routing-device$|read-cni-conf$|synchronize-|crd-wait-|default-lb-service-ipam$|enable-)/

export interface LoadedConfig {
  readonly config: AgentConfig
  /** keys of the folder that are not known, sorted */
  readonly unknown: readonly string[]
  /** problems that do not end the process, such as an expression of the label filter */
  readonly problems: readonly string[]
  /** the texts as given, for showing: GET /config, agent-runtime-config.json */
  readonly texts: ReadonlyMap<string, string>
}

/**
 * Reads the folder.
 *
 * @param overrides texts from the command line, by key
 * @throws CONFIG_UNREADABLE, CONFIG_VALUE_INVALID, CONFIG_CONFLICT, NODE_NAME_UNKNOWN
 */
export async function loadConfig(
  folder: string | undefined,
  overrides: ReadonlyMap<string, string>,
  nodeName: string | undefined,
): Promise<LoadedConfig> {
  const texts = folder === undefined ? [] : await readConfigDirectory(folder)
  return parseConfig(new Map([...texts, ...overrides]), nodeName)
}

/** Where an agent puts what is on its node. */
const places: readonly ConfigKey[] = ['state-dir', 'lib-dir', 'bpf-root', 'write-cni-conf-when-ready']

/** Of a configuration only where things are: a node can be cleaned of an agent that refused the rest of it. */
export async function loadPlaces(
  folder: string | undefined,
  overrides: ReadonlyMap<string, string>,
  nodeName: string,
): Promise<AgentConfig> {
  const texts = folder === undefined ? [] : await readConfigDirectory(folder)
  const wanted = [...texts, ...overrides].filter(([key]) => (places as readonly string[]).includes(key))
  return parseConfig(new Map(wanted), nodeName).config
}

/** The pure half of `loadConfig`. */
export function parseConfig(texts: ReadonlyMap<string, string>, nodeName: string | undefined): LoadedConfig {
  const {config: values, problems, unknown} = readConfig(settings, texts)
  refuse(problems)
  if (nodeName === undefined || nodeName === '') fail(codes.NODE_NAME_UNKNOWN)
  const config: AgentConfig = {...values, nodeName}
  checkTogether(config)
  return {
    config,
    texts,
    unknown: unknown.filter((key) => !readElsewhere.test(key)),
    problems: [
      ...LabelFilter.parse(config.labels).problems,
      ...LabelFilter.parseForNodes(config['node-labels']).problems,
    ],
  }
}

/**
 * The same configuration with a few keys changed while the agent runs.
 *
 * @throws CONFIG_KEY_IMMUTABLE, CONFIG_VALUE_INVALID
 */
export function changeConfig(config: AgentConfig, changes: ReadonlyMap<string, string>): AgentConfig {
  for (const key of changes.keys()) {
    if (!mutableKeys.some((mutable) => mutable === key)) {
      fail(codes.CONFIG_KEY_IMMUTABLE, {key: key.slice(0, 64), mutable: mutableKeys.join(', ')})
    }
  }
  const {config: values, problems} = readConfig(settings, changes)
  refuse(problems)
  const changed = Object.fromEntries([...changes.keys()].map((key) => [key, values[key as ConfigKey]]))
  return {...config, ...changed}
}

export function isKey(key: string): key is ConfigKey {
  return Object.hasOwn(settings, key)
}

/** A value as the text that would give it; what status and `cilium-dbg config` show. */
export function formatValue(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(' ')
  if (value === undefined) return ''
  if (typeof value === 'object' && value !== null && !(value instanceof Cidr) && !(value instanceof Ip)) {
    return Object.entries(value)
      .map(([key, one]) => `${key}=${one}`)
      .join(',')
  }
  return String(value)
}

function refuse(problems: readonly {readonly key: string; readonly value: string; readonly problem: string}[]): void {
  if (problems.length === 0) return
  const detail = problems.map(({key, value, problem}) => `${key}=${JSON.stringify(value.slice(0, 200))} ${problem}`)
  fail(codes.CONFIG_VALUE_INVALID, {detail: detail.join('; ')})
}

/** May the node of a backend answer clients from outside that have asked another node? */
export function answersDirectly(config: AgentConfig): boolean {
  return config['bpf-lb-mode'] !== 'snat' || config['bpf-lb-mode-annotation']
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
  } else {
    if (config['auto-direct-node-routes']) conflict('auto-direct-node-routes=true needs routing-mode=native')
    if (config['tunnel-protocol'] !== 'vxlan') {
      conflict(`tunnel-protocol=${config['tunnel-protocol']} needs routing-mode=native, where nothing is tunnelled`)
    }
  }
  if (config['bpf-lb-acceleration'] !== 'disabled' && config['kube-proxy-replacement'] !== 'true') {
    conflict(`bpf-lb-acceleration=${config['bpf-lb-acceleration']} needs kube-proxy-replacement=true`)
  }
  if (answersDirectly(config)) {
    if (config['kube-proxy-replacement'] !== 'true') {
      conflict(`bpf-lb-mode=${config['bpf-lb-mode']} needs kube-proxy-replacement=true: a kube-proxy serves node ports`)
    }
    if (config['routing-mode'] !== 'native' && config['bpf-lb-dsr-dispatch'] === 'opt') {
      conflict(
        `bpf-lb-mode=${config['bpf-lb-mode']} with bpf-lb-dsr-dispatch=opt needs routing-mode=native; bpf-lb-dsr-dispatch=ipip and geneve go with either`,
      )
    }
  }
  if (config['hubble-redact-http-headers-allow'].length > 0 && config['hubble-redact-http-headers-deny'].length > 0) {
    conflict('hubble-redact-http-headers-allow and hubble-redact-http-headers-deny exclude each other')
  }
  if (config['trace-payloadlen'] > 0 && config['hubble-redact-enabled']) {
    conflict('trace-payloadlen and hubble-redact-enabled exclude each other')
  }
  if (
    config['hubble-metrics-server-enable-tls'] &&
    (config['hubble-metrics-server-tls-cert-file'] === '' || config['hubble-metrics-server-tls-key-file'] === '')
  ) {
    conflict(
      'hubble-metrics-server-enable-tls needs hubble-metrics-server-tls-cert-file and hubble-metrics-server-tls-key-file',
    )
  }
  const [capacity, budget] = [config['hubble-event-buffer-capacity'], config['hubble-memory-budget']]
  if (capacity > capacityWithoutBudget && capacity > capacityOf(budget)) {
    conflict(
      `hubble-event-buffer-capacity=${capacity} is more than ${capacityWithoutBudget} and than what hubble-memory-budget has room for (${capacityOf(budget)})`,
    )
  }
  if (config.mtu !== 0 && config.mtu < (config['enable-ipv6'] ? 1280 : 576)) {
    conflict(`mtu=${config.mtu} is below what ${config['enable-ipv6'] ? 'IPv6 needs (1280)' : 'IPv4 needs (576)'}`)
  }
  if (config['underlay-protocol'] === 'ipv6' && !config['enable-ipv6']) {
    conflict('underlay-protocol=ipv6 needs enable-ipv6=true')
  }
}
