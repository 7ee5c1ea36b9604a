/** Sets of chart values for comparing our rendering with Helm's: written down ones, and random ones from a seed. */
import type {DescribedValue} from '../../scripts/values-source.ts'
import {seededRandom} from './seeded-random.ts'

export interface ValueSet {
  readonly name: string
  /** a values file */
  readonly file?: string
  readonly set?: readonly string[]
  readonly setString?: readonly string[]
  readonly kubernetesVersion?: string
}

const sets = (...texts: string[]): ValueSet => ({name: texts.join(' '), set: texts})
const file = (name: string, text: string): ValueSet => ({name, file: text})

export const writtenValueSets: readonly ValueSet[] = [
  {name: 'defaults'},
  {name: 'an older Kubernetes', kubernetesVersion: 'v1.29.3'},
  {name: 'a pre-release of Kubernetes', kubernetesVersion: 'v1.36.0-alpha.1'},
  sets('ipv6.enabled=true'),
  sets('ipv4.enabled=false', 'ipv6.enabled=true'),
  sets('ipv4.enabled=false'),
  sets('debug.enabled=true'),
  sets('image.tag=v9', 'image.repository=registry.example/cilium', 'image.pullPolicy=Always'),
  sets('image.override=example/agent@sha256:abc'),
  sets(`image.digest=sha256:${'a'.repeat(64)}`, 'image.useDigest=true'),
  sets('operator.image.tag=other'),
  sets('operator.image.override=example/operator:1'),
  sets('k8sServiceHost=10.0.0.1', 'k8sServicePort=6443'),
  sets('k8sServiceHost=fd00::1', 'k8sServicePort=6443'),
  sets('k8sServiceHost=10.0.0.1'),
  sets('hubble.ui.enabled=true'),
  sets('hubble.ui.enabled=true', 'hubble.relay.enabled=true', 'hubble.ui.service.type=NodePort'),
  sets(
    'hubble.ui.enabled=true',
    'hubble.relay.enabled=true',
    'hubble.ui.baseUrl=/hubble/',
    'hubble.ui.ingress.enabled=true',
    'hubble.ui.ingress.hosts={hubble.example,h.example}',
    'hubble.ui.ingress.className=nginx',
  ),
  sets('k8sServicePort=6443'),
  sets('k8sServiceHost=auto'),
  {name: 'a port as text', set: ['k8sServiceHost=api.example'], setString: ['k8sServicePort=6443']},
  sets('routingMode=native'),
  sets('routingMode=native', 'ipv4NativeRoutingCIDR=10.0.0.0/8'),
  sets('routingMode=native', 'enableIPv4Masquerade=false', 'autoDirectNodeRoutes=true'),
  sets('routingMode=native', 'ipv6.enabled=true', 'ipv4NativeRoutingCIDR=10.0.0.0/8'),
  sets(
    'routingMode=native',
    'ipv6.enabled=true',
    'ipv4NativeRoutingCIDR=10.0.0.0/8',
    'ipv6NativeRoutingCIDR=fd00::/104',
  ),
  sets('autoDirectNodeRoutes=true'),
  sets('directRoutingSkipUnreachable=true'),
  sets('tunnelPort=4789', 'MTU=1400', 'underlayProtocol=ipv6'),
  sets('tunnelProtocol=geneve'),
  sets('devices={eth0,eth1}'),
  sets('devices=eth+ !eth9'),
  sets('devices={}'),
  sets('egressMasqueradeInterfaces=eth0 eth1'),
  sets('ipam.mode=kubernetes'),
  sets('ipam.mode=clusterPool'),
  sets('ipam.mode=multi-pool'),
  sets(
    'ipam.operator.clusterPoolIPv4PodCIDRList={10.1.0.0/16,10.2.0.0/16}',
    'ipam.operator.clusterPoolIPv4MaskSize=26',
  ),
  sets('ipam.operator.clusterPoolIPv4PodCIDRList[0]=10.9.0.0/16'),
  sets('ipam.operator.clusterPoolIPv4PodCIDRList=10.9.0.0/16'),
  sets('ipam.operator.clusterPoolIPv4PodCIDR=10.9.0.0/16'),
  sets('ipam.operator.clusterPoolIPv4PodCIDRList=null'),
  sets('ipam.operator.clusterPoolIPv4MaskSize=4'),
  sets('cluster.id=1'),
  sets('cluster.id=1', 'cluster.name=east'),
  sets('cluster.name=Not_Good'),
  sets('bpf.mapDynamicSizeRatio=0.005', 'bpf.ctTcpMax=1000000', 'bpf.ctAnyMax=2000'),
  file('a ratio as a number', 'bpf: {mapDynamicSizeRatio: 0.00001, ctTcpMax: 16777216}'),
  sets('bpf.monitorAggregation=none', 'bpf.events.trace.enabled=false'),
  sets('bpf.autoMount.enabled=false', 'cni.install=false'),
  sets('bpf.masquerade=true'),
  sets('bpf.masquerade=false'),
  sets('kubeProxyReplacement=strict'),
  sets('kubeProxyReplacement=disabled'),
  sets('kubeProxyReplacement=true'),
  sets('kubeProxyReplacement=maybe'),
  sets('hostServices.enabled=false'),
  sets('tunnel=vxlan'),
  sets('tunnel=disabled', 'ipv4NativeRoutingCIDR=10.0.0.0/8'),
  sets('tunnel=gre'),
  sets('datapath.mode=native', 'enableIPv4Masquerade=false'),
  sets('policyEnforcement=never'),
  sets('policyEnforcementMode=always'),
  sets('nativeRoutingCIDR=10.0.0.0/8', 'routingMode=native'),
  sets('enableHostPort=true'),
  sets('hubble.relay.enabled=true'),
  sets('hubble.relay.enabled=false', 'hubble.ui.enabled=false'),
  sets('hubble.metrics.enabled={dns,drop,tcp,flow,icmp,http}', 'hubble.relay.enabled=true'),
  sets('hubble.enabled=false'),
  sets('encryption.enabled=true', 'encryption.type=wireguard'),
  sets('loadBalancer.algorithm=round_robin'),
  sets('prometheus.enabled=true', 'operator.prometheus.enabled=true'),
  sets('prometheus.enabled=true', 'prometheus.port=19962', 'prometheus.metrics={+a,-b}'),
  sets('operator.prometheus.enabled=false'),
  sets('operator.replicas=1', 'operator.setNodeTaints=false'),
  sets('operator.setNodeTaints=true', 'operator.removeNodeTaints=false'),
  sets('operator.removeNodeTaints=false', 'operator.setNodeNetworkStatus=false', 'operator.skipCRDCreation=true'),
  sets('operator.enabled=false'),
  sets('agent=false'),
  sets('rollOutCiliumPods=true', 'debug.enabled=true'),
  sets('annotateK8sNode=true'),
  sets('securityContext.privileged=true'),
  sets('securityContext.capabilities.ciliumAgent={BPF,NET_ADMIN}', 'securityContext.seLinuxOptions=null'),
  sets('serviceAccounts.cilium.create=false', 'serviceAccounts.cilium.name=mine', 'rbac.create=false'),
  sets('serviceAccounts.operator.annotations.example\\.com/role=reader'),
  sets('nodeSelector.disk=ssd', 'nodeSelector.kubernetes\\.io/os=null'),
  sets('tolerations=null', 'affinity=null'),
  sets('tolerations[0].key=a', 'tolerations[0].operator=Exists'),
  sets('resources.limits.memory=1Gi', 'resources.requests.cpu=100m'),
  sets('extraArgs={--debug,--x=1}', 'extraEnv[0].name=A', 'extraEnv[0].value=b'),
  sets('extraConfig.some-key=17', 'extraConfig.debug=yes', 'extraConfig.ratio=0.5'),
  file('extra keys of every kind', 'extraConfig: {a: 1, b: 2.5, c: true, d: "007", e: 123456789, f: 1e30}'),
  file('words that YAML 1.1 takes for bools', 'debug: {enabled: on}\nipv6: {enabled: yes}'),
  file(
    'labels that look like numbers',
    'commonLabels: {a: "1", b: "true", c: "1e3", d: "0x10", e: "", f: "12:30:45", g: "2001-02-03"}',
  ),
  file(
    'annotations that need quotes',
    'podAnnotations: {a: "x: y", b: "# c", c: "- d", d: "\'e\'", e: "\\"f\\"", f: " g ", g: "{h}", h: "a\\tb", i: "é ü", j: "@k", k: "!l", l: "*m", m: "%n", n: "null", o: "~"}',
  ),
  file(
    'annotations over several lines',
    'podAnnotations: {a: "one\\ntwo", b: "one\\n", c: "one\\n\\n", d: "  one\\ntwo", e: "one \\ntwo", f: "\\none"}',
  ),
  file(
    'nested lists and empties',
    'extraVolumes:\n- name: a\n  emptyDir: {}\n- name: b\n  projected:\n    sources: []\naffinity:\n  nodeAffinity:\n    requiredDuringSchedulingIgnoredDuringExecution:\n      nodeSelectorTerms:\n      - matchExpressions:\n        - {key: a10, operator: In, values: [x, "2", "no"]}\n        - {key: a2, operator: Exists}\n',
  ),
  file('anchors and merge keys', 'x: &base {a: "1"}\n'),
  file('keys in natural order', 'podLabels: {a10: x, a2: x, B: x, _c: x, a-1: x, a.1: x}'),
  sets('rutingMode=native'),
  sets('ipam.operator.clusterPoolIPv4PodCidrList={10.0.0.0/8}'),
  sets('routingMode=nativ'),
  sets('healthPort=0'),
  sets('operator.replicas=0'),
  sets('debug.enabled=maybe'),
  sets('agentNotReadyTaintKey='),
  sets('healthPort=19879', 'clusterHealthPort=14240'),
  sets('logOptions.format=json', 'logOptions.level=warn'),
  sets('labels=k8s:app !io.kubernetes', 'identityChangeGracePeriod=1s'),
  sets('cni.exclusive=false', 'cni.uninstall=true', 'cni.confPath=/etc/other', 'cni.binPath=/usr/libexec/cni'),
  sets('cni.chainingMode=portmap'),
  sets('daemon.runPath=/run/cilium', 'bpf.root=/run/bpf', 'cgroup.hostRoot=/run/cg'),
  sets('upgradeCompatibility=1.14'),
  sets('priorityClassName=mine', 'operator.priorityClassName=theirs'),
  sets('enableCriticalPriorityClass=false', 'dnsPolicy=Default', 'imagePullSecrets[0].name=pull'),
  sets('nodePort.range=30000\\,32767'),
  sets('nodePort.addresses={10.0.0.0/8}'),
  sets('kubeProxyReplacementHealthzBindAddr=0.0.0.0:10256', 'sctp.enabled=true', 'loadBalancer.serviceTopology=true'),
  sets('k8s.serviceProxyName=mesh', 'bpf.lbMapMax=131072', 'bpf.lbSourceRangeAllTypes=true'),
  sets('k8sClientRateLimit.qps=5'),
  sets('operator.unmanagedPodWatcher.restart=false'),
  sets('operator.unmanagedPodWatcher.selector={app=dns,tier=x}', 'operator.unmanagedPodWatcher.intervalSeconds=60'),
]

/**
 * Random value sets, always the same for the same seed.
 *
 * @param later values that are not offered yet → what is accepted of them
 */
export function randomValueSets(
  count: number,
  seed: number,
  described: readonly DescribedValue[],
  later: ReadonlyMap<string, readonly unknown[]>,
): ValueSet[] {
  const random = seededRandom(seed)
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!
  const settable = described.filter((value) => !value.isGroup && value.path !== 'bpf.monitorInterval')
  return Array.from({length: count}, (_, index) => {
    const values: Record<string, unknown> = {}
    const chosen = Array.from({length: 1 + Math.floor(random() * 12)}, () => pick(settable))
    for (const value of chosen) {
      let at = values
      const parts = value.path.split('.')
      for (const part of parts.slice(0, -1)) at = (at[part] ??= {}) as Record<string, unknown>
      const accepted = later.get(value.path)
      const isNarrow = accepted !== undefined && random() < 0.95
      at[parts.at(-1)!] = isNarrow ? pick([...accepted, null]) : randomValue(value, random, pick)
    }
    return {name: `random ${seed}/${index}`, file: JSON.stringify(values, null, 1)}
  })
}

function randomValue(value: DescribedValue, random: () => number, pick: <T>(items: readonly T[]) => T): unknown {
  // one in twenty is of any kind at all, so that refusals are compared too
  if (random() < 0.02) return pick([null, true, 'text', 7, 1.5, [], {}, ['a'], {a: 'b'}])
  const {schema} = value
  if (Array.isArray(schema['enum'])) return pick(schema['enum'])
  const fallback = value.default
  if (typeof fallback === 'boolean') return random() < 0.5
  if (typeof fallback === 'number') {
    const least = Number(schema['minimum'] ?? 0)
    return least + Math.floor(random() * (Number(schema['maximum'] ?? least + 5000) - least))
  }
  if (Array.isArray(fallback)) {
    const items = schema['items'] as {type?: unknown} | undefined
    return items?.type === 'object'
      ? [{name: 'a', value: pick(['x', '1', 'yes', ''])}]
      : pick([['a', 'b'], ['10.1.0.0/16'], []])
  }
  if (typeof fallback === 'object' && fallback !== null) return {key: pick(['x', '1', 'on', 'a: b', '']), 'a.b/c': 'd'}
  const types = [schema['type']].flat()
  if (types.includes('integer')) return 2000 + Math.floor(random() * 100_000)
  if (types.includes('boolean')) return random() < 0.5
  if (types.includes('array')) return pick([['eth0'], 'eth+'])
  if (String(schema['pattern'] ?? '').startsWith('^/')) return pick(['/a/b', '/run/x'])
  if (String(schema['pattern'] ?? '').includes('ms|s|m|h')) return pick(['5s', '1m30s'])
  return pick(['', 'a', '10.0.0.0/8', 'x y', "it's", 'a: b'])
}
