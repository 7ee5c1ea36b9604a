/** What the chart makes: who may do what, how pods run, which value becomes which key. */
import {describe, expect, test} from 'vitest'
import {chartFolder, type DescribedValue, readValuesSource} from '../../../../scripts/values-source.ts'
import {exemptCidrs} from '../../../../src/agent/node/masquerade-exemptions.ts'
import {type Chart, loadChart} from '../../../../src/cli/chart/chart.ts'
import {laterValues} from '../../../../src/cli/chart/later-values.ts'
import {renderChart} from '../../../../src/cli/chart/render.ts'
import {checkSchema} from '../../../../src/cli/chart/schema.ts'
import {type Tree, toPlain, tree, type Value} from '../../../../src/cli/chart/template/value.ts'
import {putPath} from '../../../../src/cli/chart/value-path.ts'
import {withDefaults} from '../../../../src/cli/chart/values.ts'
import {CiliumError} from '../../../../src/runtime/errors.ts'

const chart = await loadChart(chartFolder)

// biome-ignore lint/suspicious/noExplicitAny: manifests of every kind are looked into
type AnyManifest = any

function manifests(values: Tree = tree(), kubernetesVersion = 'v1.34.0', from: Chart = chart): AnyManifest[] {
  const options = {releaseName: 'cilium', namespace: 'kube-system', revision: 1, isUpgrade: false, kubernetesVersion}
  const rendered = renderChart(from, withDefaults(values, chart.values).values, options)
  return rendered.manifests.map(({object}) => toPlain(object))
}

const find = (kind: string, name: string, from = manifests()): AnyManifest =>
  from.find((one) => one.kind === kind && one.metadata.name === name)

// only the templates that make the configuration
const configChart = {...chart, templates: chart.templates.filter(({name}) => /\/_[^/]+$|\/config\.yaml$/.test(name))}
const configOf = (values: Tree): Record<string, string> => manifests(values, 'v1.34.0', configChart)[0].data

describe('rights', () => {
  const rulesOf = (kind: string, name: string): string[] =>
    find(kind, name).rules.map((rule: AnyManifest) => {
      const names = rule.resourceNames === undefined ? '' : ` [${rule.resourceNames.length} names]`
      return `${rule.verbs.join(',')} ${rule.apiGroups.join(',')}/${rule.resources.join(',')}${names}`
    })

  test('the agent may read what it follows and write what nodes share', () => {
    expect(rulesOf('ClusterRole', 'cilium')).toEqual([
      'get,list,watch /namespaces,nodes,pods,services',
      'get,list,watch discovery.k8s.io/endpointslices',
      'get,list,watch networking.k8s.io/networkpolicies',
      'get,list,watch cilium.io/ciliumnetworkpolicies,ciliumclusterwidenetworkpolicies,ciliumcidrgroups',
      'patch cilium.io/ciliumnetworkpolicies/status,ciliumclusterwidenetworkpolicies/status',
      'create,patch /events',
      'get,list,watch apiextensions.k8s.io/customresourcedefinitions',
      'get,list,watch cilium.io/ciliumendpoints,ciliumidentities,ciliumnodes,ciliumnodeconfigs',
      'create,patch cilium.io/ciliumidentities',
      'create,update,patch cilium.io/ciliumnodes',
      'update,patch cilium.io/ciliumnodes/status,ciliumendpoints/status',
      'create,update,patch,delete cilium.io/ciliumendpoints',
    ])
    expect(rulesOf('Role', 'cilium-config-agent')).toEqual(['get,list,watch /configmaps [1 names]'])
  })

  test('the operator may register kinds, mark nodes and take garbage away', () => {
    expect(rulesOf('ClusterRole', 'cilium-operator')).toEqual([
      'get,list,watch /namespaces,nodes,pods',
      'patch /nodes',
      'patch /nodes/status',
      'delete /pods',
      'get /services [1 names]',
      'get,list networking.k8s.io/servicecidrs',
      'get,list,watch apiextensions.k8s.io/customresourcedefinitions',
      'create apiextensions.k8s.io/customresourcedefinitions',
      'update,patch apiextensions.k8s.io/customresourcedefinitions [10 names]',
      'get,list,watch,update,patch,delete cilium.io/ciliumendpoints,ciliumidentities,ciliumnodes',
      'create cilium.io/ciliumnodes',
      'update,patch cilium.io/ciliumnodes/status',
      'get,list,watch cilium.io/ciliumnetworkpolicies,ciliumclusterwidenetworkpolicies',
      'update,patch cilium.io/ciliumnetworkpolicies/status,ciliumclusterwidenetworkpolicies/status',
      'get,list,watch /services',
      'update,patch /services/status',
      'get,list,watch cilium.io/ciliumloadbalancerippools',
      'update,patch cilium.io/ciliumloadbalancerippools/status',
    ])
    expect(rulesOf('Role', 'cilium-operator')).toEqual([
      'create coordination.k8s.io/leases',
      'get,update,patch coordination.k8s.io/leases [1 names]',
      'get,list,watch /configmaps [1 names]',
      'create /secrets',
      'get,update,patch /secrets [6 names]',
    ])
  })

  test('nobody has a wildcard, and secrets only by name in our own namespace', () => {
    const all = manifests().flatMap((one) => (one.rules ?? []).map((rule: AnyManifest) => ({...rule, of: one.kind})))
    const secrets = all.filter((rule) => rule.resources.includes('secrets'))

    expect(JSON.stringify(all)).not.toContain('*')
    expect(secrets.map(({of}) => of)).not.toContain('ClusterRole')
    // create cannot be limited by name: the name is not known to the authorizer yet
    for (const rule of secrets) expect(rule.resourceNames !== undefined || String(rule.verbs) === 'create').toBe(true)
  })
})

describe('pods', () => {
  test('the agent has the four capabilities it needs, and a root file system it cannot write', () => {
    const pod = find('DaemonSet', 'cilium').spec.template.spec
    const [agent] = pod.containers

    expect(agent.securityContext).toEqual({
      readOnlyRootFilesystem: true,
      capabilities: {drop: ['ALL'], add: ['BPF', 'PERFMON', 'NET_ADMIN', 'SYS_ADMIN']},
    })
    expect(pod.securityContext.seccompProfile).toEqual({type: 'RuntimeDefault'})
  })

  test('only mounting into the node is privileged', () => {
    const pod = find('DaemonSet', 'cilium').spec.template.spec
    const privileged = [...pod.initContainers, ...pod.containers]
      .filter((one: AnyManifest) => one.securityContext.privileged)
      .map((one: AnyManifest) => one.name)

    expect(privileged).toEqual(['mount-bpf-fs'])
  })

  test('the operator runs as nobody, with no rights on its node', () => {
    const pod = find('Deployment', 'cilium-operator').spec.template.spec

    expect(pod.securityContext).toMatchObject({runAsNonRoot: true, runAsUser: 65532})
    expect(pod.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: {drop: ['ALL']},
    })
    expect(pod.volumes.some((one: AnyManifest) => one.hostPath !== undefined)).toBe(false)
  })

  test('every volume that is mounted is there, and every one that is there is mounted', () => {
    for (const [kind, name] of [
      ['DaemonSet', 'cilium'],
      ['Deployment', 'cilium-operator'],
    ] as const) {
      const pod = find(kind, name).spec.template.spec
      const containers = [...(pod.initContainers ?? []), ...pod.containers]
      const mounted = new Set(
        containers.flatMap((one: AnyManifest) => one.volumeMounts.map((mount: AnyManifest) => mount.name)),
      )

      expect([...mounted].sort()).toEqual(pod.volumes.map((one: AnyManifest) => one.name).sort())
    }
  })

  test('probes ask the loopback address of an enabled family', () => {
    const probe = (values: Tree) =>
      find('DaemonSet', 'cilium', manifests(values)).spec.template.spec.containers[0].readinessProbe
    const onlyIpv6 = tree()
    putPath(onlyIpv6, 'ipv4.enabled', false)
    putPath(onlyIpv6, 'ipv6.enabled', true)

    expect(probe(tree()).httpGet).toEqual({
      host: '127.0.0.1',
      path: '/healthz',
      port: 9879,
      scheme: 'HTTP',
      httpHeaders: [{name: 'brief', value: 'true'}],
    })
    expect(probe(onlyIpv6).httpGet.host).toBe('::1')
  })

  test('older clusters get no field that they do not know', () => {
    const security = (version: string) =>
      find('DaemonSet', 'cilium', manifests(tree(), version)).spec.template.spec.securityContext

    expect(security('v1.30.0').appArmorProfile).toEqual({type: 'Unconfined'})
    expect(security('v1.29.9').appArmorProfile).toBeUndefined()
  })

  test('a change of the configuration rolls pods out only when asked to', () => {
    const checksum = (roll: boolean, mtu: bigint) => {
      const values = tree([['MTU', mtu]])
      putPath(values, 'rollOutCiliumPods', roll)
      const {annotations} = find('DaemonSet', 'cilium', manifests(values)).spec.template.metadata
      return annotations['cilium.io/cilium-configmap-checksum']
    }

    expect(checksum(false, 1400n)).toBeUndefined()
    expect(checksum(true, 1400n)).not.toBe(checksum(true, 1500n))
  })
})

describe('every value that names a key', () => {
  // what has to hold besides, for the value to be valid or to matter
  const context: Readonly<Record<string, Readonly<Record<string, Value>>>> = {
    autoDirectNodeRoutes: {routingMode: 'native', ipv4NativeRoutingCIDR: '10.0.0.0/8'},
    directRoutingSkipUnreachable: {
      routingMode: 'native',
      ipv4NativeRoutingCIDR: '10.0.0.0/8',
      autoDirectNodeRoutes: true,
    },
    routingMode: {ipv4NativeRoutingCIDR: '10.0.0.0/8'},
    'ipv4.enabled': {'ipv6.enabled': true},
    'cluster.id': {'cluster.name': 'east'},
    'ipam.operator.clusterPoolIPv6PodCIDRList': {'ipv6.enabled': true},
    'ipam.operator.clusterPoolIPv6MaskSize': {'ipv6.enabled': true},
    'prometheus.port': {'prometheus.enabled': true},
    'hubble.metrics.port': {'hubble.metrics.enabled': ['drop']},
    'hubble.metrics.enableOpenMetrics': {'hubble.metrics.enabled': ['drop']},
    'hubble.metrics.tls.enabled': {'hubble.metrics.enabled': ['drop']},
    'hubble.metrics.tls.server.mtls.enabled': {
      'hubble.metrics.enabled': ['drop'],
      'hubble.metrics.tls.enabled': true,
    },
    'hubble.dropEventEmitter.interval': {'hubble.dropEventEmitter.enabled': true},
    'hubble.dropEventEmitter.reasons': {'hubble.dropEventEmitter.enabled': true},
    ...Object.fromEntries(
      [
        'filePath',
        'fileMaxSizeMb',
        'fileMaxBackups',
        'fileCompress',
        'fieldMask',
        'allowList',
        'denyList',
        'fieldAggregate',
      ].map((name) => [`hubble.export.static.${name}`, {'hubble.export.static.enabled': true}]),
    ),
    'hubble.export.static.aggregationInterval': {
      'hubble.export.static.enabled': true,
      'hubble.export.static.fieldAggregate': ['verdict'],
    },
    'hubble.export.otlp.enabled': {'hubble.export.otlp.endpoint': 'collector:4317'},
    ...Object.fromEntries(
      ['signals', 'tls.enabled', 'secretName', 'allowList', 'denyList', 'fieldAggregate'].map((name) => [
        `hubble.export.otlp.${name}`,
        {'hubble.export.otlp.enabled': true, 'hubble.export.otlp.endpoint': 'collector:4317'},
      ]),
    ),
    'hubble.export.otlp.endpoint': {'hubble.export.otlp.enabled': true, 'hubble.export.otlp.endpoint': 'first:1'},
    'hubble.export.otlp.aggregationInterval': {
      'hubble.export.otlp.enabled': true,
      'hubble.export.otlp.endpoint': 'collector:4317',
      'hubble.export.otlp.fieldAggregate': ['verdict'],
    },
    ...Object.fromEntries(
      ['http.urlQuery', 'http.userInfo', 'http.headers.allow', 'http.headers.deny', 'kafka.apiKey'].map((name) => [
        `hubble.redact.${name}`,
        {'hubble.redact.enabled': true},
      ]),
    ),
  }
  const candidates: Readonly<Record<string, readonly Value[]>> = {
    boolean: [true, false],
    integer: [25n, 125n, 2000n],
    string: ['7s', '64Mi', '/a/b', '10.9.0.0/16', 'fd00::/100', '0.5', '31000,31999', 'AAAAAAAAAAAAAAAA', 'host:4317'],
    array: [['10.9.0.0/16'], ['fd00::/100'], ['+a'], ['nodes'], ['traces']],
  }
  const typesOf = ({schema, default: fallback}: DescribedValue): string[] => {
    const own = Array.isArray(fallback) ? 'array' : typeof fallback === 'number' ? 'integer' : typeof fallback
    return [schema['type'] ?? own].flat() as string[]
  }
  const configs = new Map<string, Record<string, string>>()

  /** The keys that differ between the values with and without this one; undefined when the chart refuses it. */
  function changedKeys(path: string, value: Value): string[] | undefined {
    const given = Object.entries(context[path] ?? {})
    const [before, after] = [tree(), tree()]
    for (const [key, one] of given) putPath(before, key, one)
    for (const [key, one] of [...given, [path, value] as const]) putPath(after, key, one)
    const known = JSON.stringify(given)
    try {
      checkSchema(chart, withDefaults(after, chart.values).values)
      const old = configs.get(known) ?? configOf(before)
      configs.set(known, old)
      const changed = configOf(after)
      return [...new Set([...Object.keys(old), ...Object.keys(changed)])].filter((key) => old[key] !== changed[key])
    } catch (thrown) {
      if (thrown instanceof CiliumError) return undefined
      throw thrown
    }
  }

  const named = readValuesSource().filter((value) => value.configKeys.length > 0)
  const later = laterValues(chart)

  test('changes it', {timeout: 240_000}, () => {
    const found = named.map((one) => {
      const possible =
        (one.schema['enum'] as Value[] | undefined) ?? typesOf(one).flatMap((type) => candidates[type] ?? [])
      const fits = possible.filter((value) => value !== null && String(value) !== String(one.default))
      const works = fits.some((value) => one.configKeys.every((key) => changedKeys(one.path, value)?.includes(key)))
      return works ? undefined : one.path
    })

    // what is not offered yet may have no other value; identities are kept in one way only
    expect(found.filter((path) => path !== undefined && !later.has(path))).toEqual(['identityAllocationMode'])
  })
})

describe('ipMasqAgent', () => {
  const agentOf = (from: AnyManifest[]) => find('DaemonSet', 'cilium', from).spec.template.spec

  test('gives agents the ConfigMap, and makes it when its contents are there', () => {
    const values = tree()
    putPath(values, 'ipMasqAgent.enabled', true)
    const without = manifests(values)
    putPath(values, 'ipMasqAgent.config.nonMasqueradeCIDRs', ['10.0.0.0/8'])
    putPath(values, 'ipMasqAgent.config.masqLinkLocal', true)
    const made = manifests(values)

    expect(agentOf(without).volumes).toContainEqual({
      name: 'ip-masq-agent',
      configMap: {name: 'ip-masq-agent', optional: true, items: [{key: 'config', path: 'ip-masq-agent'}]},
    })
    expect(agentOf(without).containers[0].volumeMounts).toContainEqual({
      name: 'ip-masq-agent',
      mountPath: '/etc/config',
      readOnly: true,
    })
    expect(find('ConfigMap', 'ip-masq-agent', without)).toBeUndefined()
    expect(exemptCidrs(find('ConfigMap', 'ip-masq-agent', made).data.config).map(String)).toEqual([
      '10.0.0.0/8',
      'fe80::/10',
    ])
    expect(agentOf(manifests()).volumes.some(({name}: {name: string}) => name === 'ip-masq-agent')).toBe(false)
  })
})
