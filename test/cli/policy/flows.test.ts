/** What recorded flows say about policies: preview of a change, and policies written from them. */
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {parseAllDocuments} from 'yaml'
import {type TestCluster, testCluster} from '../support/cluster.ts'
import {runProgram} from '../support/program.ts'
import {putShop, textFile} from './shop.ts'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await testCluster()
  putShop(cluster.server)
})
afterEach(() => cluster[Symbol.asyncDispose]())

const policy = (...args: string[]) => runProgram('cilium', ['policy', ...args], {env: cluster.env})

const pod = (namespace: string, name: string, app: string) => ({
  identity: 5000,
  namespace,
  pod_name: name,
  labels: [`k8s:app=${app}`, 'k8s:pod-template-hash=1', `k8s:io.kubernetes.pod.namespace=${namespace}`],
})
const client = pod('shop', 'client', 'client')
const web = pod('shop', 'web', 'web')
const db = pod('data', 'db', 'db')
const world = {identity: 2, labels: ['reserved:world']}
const host = {identity: 1, labels: ['reserved:host']}

const addresses = new Map<object, readonly [string, string]>([
  [client, ['10.0.0.10', 'fd00::10']],
  [web, ['10.0.0.11', 'fd00::11']],
  [db, ['10.0.0.12', 'fd00::12']],
  [world, ['203.0.113.7', '2001:db8::7']],
  [host, ['192.168.0.1', 'fd00::1']],
])

function flow(from: object, to: object, l4: object, more: object = {}, family = 0): string {
  return JSON.stringify({
    flow: {
      time: '2026-01-02T03:04:05Z',
      verdict: 'FORWARDED',
      source: from,
      destination: to,
      IP: {source: addresses.get(from)![family], destination: addresses.get(to)![family]},
      l4,
      event_type: {type: 4},
      is_reply: false,
      ...more,
    },
    time: '2026-01-02T03:04:05Z',
  })
}
const tcp = (port: number) => ({TCP: {source_port: 40_000, destination_port: port}})
const refused = {verdict: 'DROPPED', drop_reason_desc: 'POLICY_DENIED'}

const recorded = [
  flow(client, web, tcp(8080)),
  flow(client, web, tcp(8080), {}, 1),
  flow(web, client, tcp(40_000), {is_reply: true}),
  flow(web, db, tcp(5432)),
  flow(web, world, tcp(443)),
  flow(web, world, {ICMPv6: {type: 128}}, {}, 1),
  flow(host, web, tcp(8080)),
  flow(client, db, tcp(5432), refused),
].join('\n')

describe('policy preview with flows', () => {
  const closeWeb = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: other}}}]}]}
`

  test('says which of them would be cut, in both families, and why', async () => {
    using file = textFile(closeWeb)
    using flows = textFile(recorded)

    const {stdout, exitCode} = await policy('preview', file.path, '--input-file', flows.path, '-o', 'json')

    const report = JSON.parse(stdout) as {flows: {connections: number; changes: object[]; gone: number}}
    expect(exitCode).toBe(0)
    expect(report.flows).toMatchObject({
      connections: 6,
      gone: 0,
      changes: [
        {
          from: 'shop/client',
          to: 'shop/web',
          port: '8080/TCP',
          before: 'allowed',
          after: 'denied',
          flows: 2,
          reason: expect.stringContaining('NetworkPolicy shop/web'),
        },
      ],
    })
  })

  test('says which would be opened, and which nobody can judge any more', async () => {
    using file = textFile(`
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: data}
spec: {endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': shop}}]}]}
`)
    using flows = textFile(`${recorded}\n${flow(client, web, tcp(1)).replaceAll('"web"', '"web-gone"')}`)

    const {stdout} = await policy('preview', file.path, '--input-file', flows.path)

    expect(stdout).toContain(
      'of 7 recorded connections 0 would be cut and 1 opened\n1 of them are of pods that are gone',
    )
    expect(stdout).toMatch(/shop\/client +data\/db +5432\/TCP +denied +allowed +1 /)
  })
})

describe('policy suggest', () => {
  test('allows what was seen, by labels that stay, with the reason', async () => {
    using flows = textFile(recorded)

    const {stdout, exitCode} = await policy(
      'suggest',
      '-n',
      'shop',
      '--since',
      '2026-01-01T00:00:00Z',
      '--input-file',
      flows.path,
    )

    expect(exitCode).toBe(0)
    const [clientPolicy, webPolicy] = parseAllDocuments(stdout).map((document) => document.toJS()) as {spec: object}[]
    expect(clientPolicy).toMatchObject({
      metadata: {name: 'client-observed', namespace: 'shop'},
      spec: {endpointSelector: {matchLabels: {app: 'client'}}, ingress: [{}]},
    })
    expect(webPolicy?.spec).toEqual({
      endpointSelector: {matchLabels: {app: 'web'}},
      ingress: [
        {fromEndpoints: [{matchLabels: {app: 'client'}}], toPorts: [{ports: [{port: '8080', protocol: 'TCP'}]}]},
        {fromEntities: ['host'], toPorts: [{ports: [{port: '8080', protocol: 'TCP'}]}]},
      ],
      egress: [
        {toCIDR: ['2001:db8::7/128'], icmps: [{fields: [{family: 'IPv6', type: 128}]}]},
        {toCIDR: ['203.0.113.7/32'], toPorts: [{ports: [{port: '443', protocol: 'TCP'}]}]},
        {
          toEndpoints: [{matchLabels: {app: 'db', 'k8s:io.kubernetes.pod.namespace': 'data'}}],
          toPorts: [{ports: [{port: '5432', protocol: 'TCP'}]}],
        },
      ],
    })
    expect(stdout).toContain('# 2 flows from shop/client, the last at ')
    expect(stdout).toContain('# refused 1 times and left out: shop/client to data/db 5432/TCP')
  })

  test('writes NetworkPolicies, and says what they cannot say', async () => {
    using flows = textFile(recorded)

    const since = ['--since', '2026-01-01T00:00:00Z']
    const {stdout, exitCode} = await policy(
      'suggest',
      ...['-n', 'shop', '--kind', 'NetworkPolicy', ...since, '--input-file', flows.path],
    )

    expect(exitCode).toBe(0)
    const written = parseAllDocuments(stdout).map((document) => document.toJS()) as {kind: string; spec: object}[]
    expect(written.map(({kind}) => kind)).toEqual(['NetworkPolicy', 'NetworkPolicy'])
    expect(written[1]!.spec).toEqual({
      podSelector: {matchLabels: {app: 'web'}},
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{from: [{podSelector: {matchLabels: {app: 'client'}}}], ports: [{port: 8080, protocol: 'TCP'}]}],
      egress: [
        {to: [{ipBlock: {cidr: '203.0.113.7/32'}}], ports: [{port: 443, protocol: 'TCP'}]},
        {
          to: [
            {
              namespaceSelector: {matchLabels: {'kubernetes.io/metadata.name': 'data'}},
              podSelector: {matchLabels: {app: 'db'}},
            },
          ],
          ports: [{port: 5432, protocol: 'TCP'}],
        },
      ],
    })
    expect(stdout).toContain('# a NetworkPolicy cannot say ICMP: 1 flows to 2001:db8::7')
    expect(stdout).toContain('# a NetworkPolicy cannot name them: ')
    using file = textFile(stdout)
    expect((await policy('check', file.path)).exitCode).toBe(0)
  })

  test('keeps all that was seen to pass, and closes the rest', async () => {
    using flows = textFile(recorded)
    const {stdout} = await policy(
      'suggest',
      '-n',
      'shop',
      '--since',
      '2026-01-01T00:00:00Z',
      '--input-file',
      flows.path,
    )
    using file = textFile(stdout)

    const checked = await policy('check', file.path)
    const preview = await policy('preview', file.path, '--input-file', flows.path, '-o', 'json')

    expect(checked.exitCode).toBe(0)
    const report = JSON.parse(preview.stdout) as {invalid: object[]; cut: number; flows: {changes: object[]}}
    expect(report.invalid).toEqual([])
    expect(report.flows.changes).toEqual([])
    expect(report.cut).toBeGreaterThan(0)
  })

  test('writes names as text and never as YAML', async () => {
    const evil = {...pod('shop', 'x', 'a'), pod_name: 'x\nspec: {}\u001b[2J', labels: ['k8s:app=a: {b}\n# c']}
    addresses.set(evil, ['10.0.0.66', 'fd00::66'])
    using flows = textFile(flow(evil, web, tcp(80)))

    const {stdout} = await policy(
      'suggest',
      '-n',
      'shop',
      '--since',
      '2026-01-01T00:00:00Z',
      '--input-file',
      flows.path,
    )

    expect(stdout).not.toContain('\u001b')
    const documents = parseAllDocuments(stdout).map((document) => document.toJS()) as {
      spec: {endpointSelector: object}
    }[]
    expect(documents).toHaveLength(2)
    expect(JSON.stringify(documents)).toContain('a: {b}\\n# c')
  })
})
