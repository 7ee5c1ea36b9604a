/** The values that the chart takes: its schema, its old spellings, what it does not offer yet. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, describe, expect, test} from 'vitest'
import {chartFolder} from '../../../../scripts/values-source.ts'
import {loadChart} from '../../../../src/cli/chart/chart.ts'
import {mapOldValues} from '../../../../src/cli/chart/old-values.ts'
import {renderChart} from '../../../../src/cli/chart/render.ts'
import {checkSchema} from '../../../../src/cli/chart/schema.ts'
import {applySet, typedValue} from '../../../../src/cli/chart/set-syntax.ts'
import {type Tree, toPlain, tree} from '../../../../src/cli/chart/template/value.ts'
import {readUserValues} from '../../../../src/cli/chart/user-values.ts'
import {withDefaults} from '../../../../src/cli/chart/values.ts'
import {CiliumError} from '../../../../src/runtime/errors.ts'

const chart = await loadChart(chartFolder)
const folder = mkdtempSync(join(tmpdir(), 'cilium-values-'))
afterAll(() => rmSync(folder, {recursive: true}))

function setTexts(...texts: string[]): Tree {
  const values = tree()
  for (const text of texts) applySet(text, values, typedValue)
  return values
}

function refusal(work: () => unknown): string {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof CiliumError) return `${thrown.code} ${thrown.message}`
    throw thrown
  }
  return 'accepted'
}

const check = (...texts: string[]) =>
  refusal(() => checkSchema(chart, withDefaults(setTexts(...texts), chart.values).values))
const render = (...texts: string[]) =>
  refusal(() =>
    renderChart(chart, withDefaults(setTexts(...texts), chart.values).values, {
      releaseName: 'cilium',
      namespace: 'kube-system',
      revision: 1,
      isUpgrade: false,
      kubernetesVersion: 'v1.34.0',
    }),
  )

describe('the schema', () => {
  test('accepts the defaults', () => expect(check()).toBe('accepted'))

  test.each([
    ['rutingMode=native', 'there is no value rutingMode; did you mean routingMode?'],
    ['ipam.operatr.x=1', 'there is no value ipam.operatr; did you mean ipam.operator?'],
    [
      'clusterPoolIPv4PodCIDRList={a}',
      'there is no value clusterPoolIPv4PodCIDRList; did you mean ipam.operator.clusterPoolIPv4PodCIDRList?',
    ],
    ['somethingElseAltogether=1', 'there is no value somethingElseAltogether'],
    ['routingMode=nativ', 'routingMode=nativ is not one of tunnel, native; did you mean native?'],
    ['debug.enabled=maybe', 'debug.enabled=maybe is not true or false'],
    ['ipv4.enabled={a}', 'ipv4.enabled=["a"] is not true or false'],
    ['healthPort=0', 'healthPort=0 is less than 1'],
    ['healthPort=70000', 'healthPort=70000 is more than 65535'],
    ['cluster.name=UPPER', 'cluster.name=UPPER has not the form ^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$'],
    ['agentNotReadyTaintKey=', 'agentNotReadyTaintKey is empty'],
    ['operator.replicas=many', 'operator.replicas=many is not a whole number'],
    ['nodeSelector.a=1', 'nodeSelector.a=1 is not a text'],
  ])('refuses %s', (text, expected) => expect(check(text)).toBe(`VALUES_INVALID values are not valid: ${expected}`))

  test('names all findings at once', () => {
    expect(check('a=1', 'healthPort=0')).toBe(
      'VALUES_INVALID values are not valid: there is no value a; healthPort=0 is less than 1',
    )
  })
})

describe('what is not available yet', () => {
  test.each([
    'encryption.enabled=true',
    'bgpControlPlane.enabled=true',
    'tunnelProtocol=geneve',
    'bpf.datapathMode=netkit',
    'loadBalancer.l7.backend=envoy',
  ])('%s is refused by name', (text) => {
    expect(render(text)).toBe(`VALUES_REFUSED ${text} is not available in this version (${chart.appVersion})`)
  })

  test.each([
    'hubble.relay.enabled=false',
    'kubeProxyReplacement=false',
    'kubeProxyReplacement=true',
    'loadBalancer.mode=snat',
    'loadBalancer.mode=hybrid',
    'loadBalancer.dsrDispatch=ipip',
    'loadBalancer.dsrDispatch=geneve',
    'loadBalancer.acceleration=best-effort',
    'bpf.masquerade=true',
  ])('%s asks for nothing and is accepted', (text) => expect(render(text)).toBe('accepted'))

  test('a protocol for tunnels asks for nothing where there are none', () => {
    expect(render('routingMode=native', 'ipv4NativeRoutingCIDR=10.0.0.0/8', 'tunnelProtocol=geneve')).toBe('accepted')
    expect(render('routingMode=tunnel', 'tunnelProtocol=geneve')).toMatch('tunnelProtocol=geneve is not available')
  })
})

describe('old spellings', () => {
  test.each([
    [
      'tunnel=vxlan',
      {routingMode: 'tunnel', tunnelProtocol: 'vxlan'},
      'tunnel=vxlan is written routingMode=tunnel tunnelProtocol=vxlan today',
    ],
    ['tunnel=disabled', {routingMode: 'native'}, 'tunnel=disabled is written routingMode=native today'],
    ['datapath.mode=native', {routingMode: 'native'}, 'datapath.mode=native is written routingMode=native today'],
    [
      'kubeProxyReplacement=strict',
      {kubeProxyReplacement: 'true'},
      'kubeProxyReplacement=strict is written kubeProxyReplacement=true today',
    ],
    [
      'kubeProxyReplacement=probe',
      {kubeProxyReplacement: 'false'},
      'kubeProxyReplacement=probe is written kubeProxyReplacement=false today',
    ],
    [
      'hostServices.enabled=true',
      {socketLB: {enabled: true}},
      'hostServices.enabled=true is written socketLB.enabled=true today',
    ],
    [
      'policyEnforcement=never',
      {policyEnforcementMode: 'never'},
      'policyEnforcement=never is written policyEnforcementMode=never today',
    ],
    [
      'ipam.mode=clusterPool',
      {ipam: {mode: 'cluster-pool'}},
      'ipam.mode=clusterPool is written ipam.mode=cluster-pool today',
    ],
    [
      'ipam.operator.clusterPoolIPv4PodCIDR=10.1.0.0/16',
      {ipam: {operator: {clusterPoolIPv4PodCIDRList: ['10.1.0.0/16']}}},
      'ipam.operator.clusterPoolIPv4PodCIDR=10.1.0.0/16 is written ipam.operator.clusterPoolIPv4PodCIDRList=["10.1.0.0/16"] today',
    ],
    ['enableHostPort=true', {hostPort: {enabled: true}}, 'enableHostPort=true is written hostPort.enabled=true today'],
  ])('%s is mapped, with a warning', (text, expected, warning) => {
    const {values, warnings} = mapOldValues(chart, setTexts(text))

    expect(toPlain(values)).toEqual(expected)
    expect(warnings).toEqual([warning])
  })

  test.each(['kubeProxyReplacement=true', 'kubeProxyReplacement=false', 'ipam.mode=kubernetes'])(
    '%s is today’s',
    (text) => {
      expect(mapOldValues(chart, setTexts(text)).warnings).toEqual([])
    },
  )

  test('an old value that nobody knew is refused', () => {
    expect(refusal(() => mapOldValues(chart, setTexts('tunnel=gre')))).toBe(
      'VALUES_REFUSED tunnel=gre is an old spelling with no meaning today; the old one knew disabled, geneve, vxlan',
    )
  })

  test('old and new together are refused when they differ', () => {
    expect(refusal(() => mapOldValues(chart, setTexts('tunnel=vxlan', 'routingMode=native')))).toBe(
      'VALUES_CONTRADICT tunnel=vxlan (today: routingMode=tunnel tunnelProtocol=vxlan) contradicts routingMode=native',
    )
    expect(toPlain(mapOldValues(chart, setTexts('tunnel=disabled', 'routingMode=native')).values)).toEqual({
      routingMode: 'native',
    })
  })
})

describe('values from all sources', () => {
  test('files, --set, --set-string and --set-file win in this order', async () => {
    const [one, two, text] = ['one.yaml', 'two.yaml', 'text'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ]
    writeFileSync(one, 'MTU: 1\ndebug: {enabled: false}\n')
    writeFileSync(two, 'MTU: 2\nlabels: two\n')
    writeFileSync(text, 'from a file')

    const {values} = await readUserValues(chart, {
      files: [one, two],
      set: ['debug.enabled=true', 'labels=set'],
      setString: ['labels=7'],
      setFile: [`cni.logFile=${text}`],
    })

    expect(toPlain(values)).toEqual({
      MTU: 2,
      debug: {enabled: true},
      labels: '7',
      cni: {logFile: 'from a file'},
    })
  })

  test.each([
    ['a list', '- a', 'it does not hold a map'],
    ['broken YAML', 'a: [', 'Flow sequence in block collection must be sufficiently indented and end with a ]'],
  ])('a file that holds %s is refused', async (_, content, detail) => {
    const path = join(folder, 'bad.yaml')
    writeFileSync(path, content)

    await expect(readUserValues(chart, {files: [path]})).rejects.toMatchObject({
      code: 'VALUES_FILE_UNREADABLE',
      fields: {path, detail: expect.stringContaining(detail) as string},
    })
  })

  test('a file that is not there is refused', async () => {
    await expect(readUserValues(chart, {files: ['/nowhere/x.yaml']})).rejects.toMatchObject({
      code: 'VALUES_FILE_UNREADABLE',
      fields: {path: '/nowhere/x.yaml', detail: 'there is no such file'},
    })
  })
})
