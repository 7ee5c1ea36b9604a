/** Commands that explain policies, over a cluster with a few. */
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {resources} from '../../../src/k8s/resources.ts'
import {type TestCluster, testCluster} from '../support/cluster.ts'
import {type ProgramResult, runProgram} from '../support/program.ts'
import {putShop, textFile} from './shop.ts'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await testCluster()
  putShop(cluster.server)
})
afterEach(() => cluster[Symbol.asyncDispose]())

const policy = (...args: string[]): Promise<ProgramResult> =>
  runProgram('cilium', ['policy', ...args], {env: cluster.env})

describe('policy explain', () => {
  test('names the rule that allows, at both ends', async () => {
    const {stdout, exitCode} = await policy('explain', 'shop/client', 'web:8080')

    expect(stdout).toBe(`shop/client → shop/web TCP/8080: allowed
  egress of shop/client: open, no policy isolates egress
  ingress of shop/web: allowed, a rule allows it
    by NetworkPolicy shop/web ingress[0]
`)
    expect(exitCode).toBe(0)
  })

  test('shows the nearest rule and what it misses, when none allows', async () => {
    const {stdout} = await policy('explain', 'client', 'db:5432')

    expect(stdout).toBe(`shop/client → data/db TCP/5432: denied
  egress of shop/client: open, no policy isolates egress
  ingress of data/db: denied, no rule allows it
    isolated by CiliumNetworkPolicy data/db ingress-isolation
    nearest CiliumNetworkPolicy data/db ingress[0]
      peer: wants any:app=web; is k8s:app=client
`)
  })

  test('tells what a port name means where it is missed', async () => {
    const {stdout} = await policy('explain', 'client', 'web:80')

    expect(stdout).toContain('      port: wants TCP/http (8080 there); is TCP/80\n')
  })

  test('names the rule that denies', async () => {
    const {stdout} = await policy('explain', '203.0.113.7', 'db:5432')

    expect(stdout).toContain('203.0.113.7 → data/db TCP/5432 (IPv4): denied\n')
    expect(stdout).toContain('denied, a rule denies it\n    by CiliumNetworkPolicy data/db ingressDeny[0]\n')
  })

  test('follows a service to its backends and their port', async () => {
    const {stdout} = await policy('explain', 'client', 'svc/shop/web:80')

    expect(stdout).toContain('shop/client → shop/web TCP/8080 (IPv4): allowed\n')
  })

  test('gives the same as JSON', async () => {
    const {stdout} = await policy('explain', 'client', 'web:9/UDP', '-o', 'json')

    const {invalid, connections} = JSON.parse(stdout)
    expect(invalid).toEqual([])
    expect(connections).toMatchObject([
      {
        ...{from: 'shop/client', to: 'shop/web', port: 'UDP/9', families: [4, 6], allowed: false},
        sides: [
          {direction: 'egress', verdict: 'open'},
          {
            ...{direction: 'ingress', verdict: 'denied', isolatedBy: ['NetworkPolicy shop/web ingress-isolation']},
            near: [
              {
                rule: 'NetworkPolicy shop/web ingress[0]',
                missed: [{of: 'port', wanted: 'TCP/http (8080 there)', found: 'UDP/9'}],
              },
            ],
          },
        ],
      },
    ])
  })

  test('asks the rules of nodes where there is a host firewall', async () => {
    cluster.server.put(resources.configMaps, {
      metadata: {namespace: 'kube-system', name: 'cilium-config'},
      ...({data: {'enable-host-firewall': 'true'}} as object),
    })
    cluster.server.put(resources.ciliumClusterwideNetworkPolicies, {
      metadata: {name: 'nodes'},
      ...({
        spec: {
          nodeSelector: {},
          ingress: [{fromEndpoints: [{matchLabels: {app: 'web'}}]}],
          egressDeny: [{toEntities: ['all']}],
        },
      } as object),
    })

    const [client, ssh, own] = await Promise.all([
      policy('explain', 'client', 'node/n1:9100'),
      policy('explain', 'client', 'node/n1:22'),
      policy('explain', 'node/n1', 'db:5432'),
    ])
    const {stdout: world} = await policy('explain', 'node/n1', '203.0.113.7:80')

    expect(client.stdout).toContain(
      'ingress of node/n1: denied, no rule allows it\n    isolated by CiliumClusterwideNetworkPolicy nodes ingress-isolation',
    )
    expect(ssh.stdout).toContain('ingress of node/n1: allowed, it keeps the node within reach, whatever policies say')
    expect(own.stdout).toContain('egress of node/n1: exempt, a node always reaches its own pods')
    expect(world).toContain('denied, a rule denies it\n    by CiliumClusterwideNetworkPolicy nodes egressDeny[0]')
    expect((await policy('status')).stdout).toContain('nodes: 1, isolated for ingress: 1, for egress: 1\n')
  })

  test.each([
    ['an unknown pod', ['shop/nobody', 'web:80'], 1, 'error POLICY_END_UNKNOWN  there is no pod shop/nobody'],
    ['a missing port', ['client', 'web'], 2, 'error POLICY_PORT_INVALID  "web" is no port'],
    ['a wrong protocol', ['client', 'web:80/FOO'], 2, 'error POLICY_PORT_INVALID  "80/FOO" is no port'],
  ] as const)('refuses %s', async (_, args, code, text) => {
    const {stderr, exitCode} = await policy('explain', ...args)

    expect(stderr.split('\n')[0]).toBe(text)
    expect(exitCode).toBe(code)
  })
})

describe('policy trace', () => {
  test('asks for labels in place of pods', async () => {
    const labels = ['-s', 'app=web', '-s', 'io.kubernetes.pod.namespace=shop', '-d', 'app=db']

    const {stdout} = await policy('trace', ...labels, '-d', 'io.kubernetes.pod.namespace=data', '--dport', '5432')

    expect(stdout).toContain(': allowed\n')
    expect(stdout).toContain('    by CiliumNetworkPolicy data/db ingress[0]\n')
  })

  test('judges by files alone, and says what of them is left out', async () => {
    using file = textFile(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: wrong}
spec: {podSelector: {}, ingres: []}
`)

    const {stdout} = await runProgram('cilium', [
      ...['policy', 'trace', '-s', 'reserved:world', '-d', 'app=web', '--dport', '80', '-f', file.path],
    ])

    expect(stdout).toBe(`left out: NetworkPolicy default/wrong is invalid (cilium policy check)
reserved:world → default/[k8s:app=web] TCP/80: denied
  ingress of default/[k8s:app=web]: denied, no rule allows it
    isolated by NetworkPolicy default/web ingress-isolation
    nearest NetworkPolicy default/web ingress[0]
      peer: wants k8s:io.cilium.k8s.policy.cluster=default; is no such label
      peer: wants k8s:io.kubernetes.pod.namespace=default; is no such label
`)
  })
})

describe('policy trace of nodes', () => {
  const traced = async (source: string[], port = '80') => {
    using file = textFile(`
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: default}
spec:
  endpointSelector: {matchLabels: {app: web}}
  ingress:
    - {fromNodes: [{matchLabels: {role: infra}}], toPorts: [{ports: [{port: "80"}]}]}
    - {fromEntities: [remote-node], toPorts: [{ports: [{port: "443"}]}]}
`)
    const flags = source.flatMap((label) => ['-s', label])
    const {stdout} = await runProgram('cilium', [
      ...['policy', 'trace', ...flags, '-d', 'app=web', '--dport', port, '-f', file.path],
    ])
    return stdout
  }

  test('asks for one with these labels, and says which it lacks', async () => {
    expect(await traced(['node:role=infra'])).toContain('by CiliumNetworkPolicy default/web ingress[0]')
    expect(
      await traced(['node:role=worker']),
    ).toBe(`reserved:remote-node[node:role=worker] → default/[k8s:app=web] TCP/80: denied
  egress of reserved:remote-node[node:role=worker]: open, no policy isolates egress
  ingress of default/[k8s:app=web]: denied, no rule allows it
    isolated by CiliumNetworkPolicy default/web ingress-isolation
    nearest CiliumNetworkPolicy default/web ingress[0]
      peer: wants node:role=infra; is node:role=worker
    nearest CiliumNetworkPolicy default/web ingress[1]
      port: wants TCP/443, UDP/443, SCTP/443; is TCP/80
`)
  })

  test('entities go on meaning them', async () => {
    expect(await traced(['node:role=worker'], '443')).toContain(': allowed\n')
    expect(await traced(['reserved:remote-node'], '443')).toContain(': allowed\n')
    expect(await traced(['reserved:remote-node'], '80')).toContain(': denied\n')
  })
})

describe('policy check', () => {
  test('finds what is probably not meant, with the path of each rule', async () => {
    using file = textFile(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: doubtful}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
    ports: [{port: 8080}, {port: metrics}]
  - from: [{podSelector: {matchLabels: {app: cleint}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: nobody}
spec: {podSelector: {matchLabels: {app: wbe}}}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {namespace: data, name: shadowed}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress:
  - fromCIDR: [203.0.113.0/24]
    toPorts: [{ports: [{port: "5432"}]}]
  - fromEntities: [all]
`)

    const {stdout, exitCode} = await policy('check', file.path)

    expect(stdout).toBe(`NetworkPolicy shop/doubtful: doubtful
  spec.ingress[0]: port-name-unknown: no pod that it is for has a port named metrics
  spec.ingress[1]: peer-matches-nobody: nobody has the labels of its peers now
NetworkPolicy shop/nobody: doubtful
  spec.podSelector: selects-nothing: no pod has these labels now
CiliumNetworkPolicy data/shadowed: doubtful
  spec.ingress[0]: shadowed: CiliumNetworkPolicy data/db ingressDeny[0] denies all that it allows
  spec.ingress[1]: contradicts: CiliumNetworkPolicy data/db ingressDeny[0] denies a part of what it allows
`)
    expect(exitCode).toBe(0)
    expect((await policy('check', '--strict', file.path)).exitCode).toBe(3)
  })

  test('tells every wrong field, and fails', async () => {
    using file = textFile(`
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: wrong}
spec:
  endpointSelector: {}
  ingress:
  - fromEndpoint: [{}]
  - fromCIDR: [10.0.0.0/33]
    toPorts: [{ports: [{port: "80", protocol: TPC}]}]
`)

    const {stdout, exitCode} = await policy('check', '--offline', file.path, '-o', 'json')

    expect(JSON.parse(stdout)).toEqual({
      verdict: 'invalid',
      policies: [
        {
          policy: 'CiliumNetworkPolicy default/wrong',
          verdict: 'invalid',
          findings: [
            {kind: 'invalid', path: 'spec.ingress[0].fromEndpoint', text: 'unknown field'},
            {kind: 'invalid', path: 'spec.ingress[1].fromCIDR[0]', text: 'not a prefix: "10.0.0.0/33"'},
            {kind: 'invalid', path: 'spec.ingress[1].toPorts[0].ports[0].protocol', text: 'no such protocol: "TPC"'},
          ],
        },
      ],
    })
    expect(exitCode).toBe(3)
  })

  test('says when a file holds no policy', async () => {
    using file = textFile('kind: Service\napiVersion: v1\nmetadata: {name: x}\n')

    const {stderr, exitCode} = await policy('check', '--offline', file.path)

    expect(stderr).toContain('error POLICY_FILE_INVALID')
    expect(exitCode).toBe(1)
  })
})

describe('policy preview', () => {
  test('shows what a policy for nodes cuts off, and what stays open at them', async () => {
    cluster.server.put(resources.configMaps, {
      metadata: {namespace: 'kube-system', name: 'cilium-config'},
      ...({data: {'enable-host-firewall': 'true'}} as object),
    })
    using file = textFile(`
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: nodes}
spec:
  nodeSelector: {matchExpressions: [{key: "reserved:host", operator: Exists}, {key: "k8s:kubernetes.io/hostname", operator: DoesNotExist}]}
  ingress: [{fromEndpoints: [{matchLabels: {app: web}}]}]
`)

    const {stdout} = await policy('preview', file.path, '-o', 'json')

    const changes = (JSON.parse(stdout) as {changes: {from: {name: string}; to: {name: string}; ports: string[]}[]})
      .changes
    const client = changes.find(({from, to}) => from.name === 'shop/client' && to.name === 'node/n1')
    expect(client?.ports).toEqual(expect.arrayContaining(['TCP/23-4239', 'UDP']))
    expect(client?.ports.join()).not.toMatch(/TCP\/22\b/)
    expect(changes.some(({from}) => from.name === 'shop/web')).toBe(false)
    expect(changes.some(({from}) => from.name === 'node/n1')).toBe(false)
  })

  test('shows who is cut off and who gets in, and by which rule', async () => {
    using file = textFile(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{namespaceSelector: {matchLabels: {team: core}}}]
    ports: [{port: 8080}]
`)

    const {stdout, exitCode} = await policy('preview', file.path)

    expect(stdout).toBe(`1 cut, 1 opened
FROM          TO         PORTS      NOW       THEN      WHY
shop/client   shop/web   TCP/8080   allowed   denied    no rule allows it: NetworkPolicy shop/web ingress-isolation
data/db       shop/web   TCP/8080   denied    allowed   a rule allows it: NetworkPolicy shop/web ingress[0]
`)
    expect(exitCode).toBe(0)
  })

  test('shows what taking a policy away opens', async () => {
    using file = textFile(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: web}
spec: {podSelector: {}}
`)

    const {stdout} = await policy('preview', '--remove', file.path, '-o', 'json')

    const {cut, changes} = JSON.parse(stdout)
    expect(cut).toBe(0)
    expect(changes).toContainEqual({
      from: {name: 'shop/client', members: ['shop/client']},
      to: {name: 'shop/web', members: ['shop/web']},
      reason: 'no policy isolates ingress',
      ports: ['TCP/0-8079', 'TCP/8081-65535', 'UDP'],
      before: 'denied',
      after: 'allowed',
    })
  })

  test('says when nothing changes', async () => {
    using file = textFile(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: shop, name: also}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: 8080}]}]}
`)

    expect((await policy('preview', file.path)).stdout).toBe('nothing changes for anybody who is there now\n')
  })
})

describe('policy list, get and status', () => {
  test('list shows what each selects and says', async () => {
    const {stdout} = await policy('list')

    expect(stdout).toBe(`KIND                  NAMESPACE   NAME   SELECTS   INGRESS           EGRESS   STATE
CiliumNetworkPolicy   data        db     1         1 allow, 1 deny   -        enforced
NetworkPolicy         shop        web    1         1 allow           -        enforced
`)
  })

  test('get shows a policy as it is understood', async () => {
    const {stdout} = await policy('get', 'data/db')

    expect(stdout).toBe(`CiliumNetworkPolicy data/db: enforced
  selects: data/db
  isolates: ingress
  spec.ingress[0]: allow TCP/5432
    any:app=web, k8s:io.kubernetes.pod.namespace=shop
  spec.ingressDeny[0]: deny any port
    reserved:world
    reserved:world-ipv4
    reserved:world-ipv6
`)
    expect((await policy('get', 'nobody')).exitCode).toBe(1)
  })

  test('status counts isolated pods, and fails when a policy does not hold', async () => {
    const fine = await policy('status')
    cluster.server.put((await import('../../../src/k8s/resources.ts')).resources.ciliumNetworkPolicies, {
      metadata: {namespace: 'data', name: 'wrong'},
      ...({spec: {endpointSelector: {}, ingress: [{fromCIDR: ['x']}]}} as object),
    })
    const wrong = await policy('status')

    expect(fine.stdout).toBe('enforcement: default\npolicies: 2\npods: 3, isolated for ingress: 2, for egress: 0\n')
    expect(fine.exitCode).toBe(0)
    expect(wrong.stdout).toContain('  invalid CiliumNetworkPolicy data/wrong\n')
    expect(wrong.exitCode).toBe(3)
  })
})
