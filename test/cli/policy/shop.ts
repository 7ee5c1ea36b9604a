/** A small cluster with policies, for commands that explain them. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {resources} from '../../../src/k8s/resources.ts'
import type {ApiServer} from '../../support/api/api-server.ts'

const containers = (ports: Record<string, number> = {}) => [
  {name: 'main', ports: Object.entries(ports).map(([name, containerPort]) => ({name, containerPort}))},
]

/** Two namespaces, a client, a web server, a database and a node; web is for clients alone, the database for web. */
export function putShop(server: ApiServer): void {
  for (const [name, labels] of [
    ['shop', {team: 'sales'}],
    ['data', {team: 'core'}],
  ] as const)
    server.put(resources.namespaces, {metadata: {name, labels}})
  server.put(resources.nodes, {
    metadata: {name: 'n1'},
    ...({status: {addresses: [{type: 'InternalIP', address: '192.168.0.1'}]}} as object),
  })
  const pod = (namespace: string, name: string, app: string, n: number, ports?: Record<string, number>) =>
    server.put(resources.pods, {
      metadata: {namespace, name, labels: {app}},
      ...({
        spec: {nodeName: 'n1', containers: containers(ports)},
        status: {phase: 'Running', podIPs: [{ip: `10.0.0.${n}`}, {ip: `fd00::${n}`}]},
      } as object),
    })
  pod('shop', 'client', 'client', 10)
  pod('shop', 'web', 'web', 11, {http: 8080})
  pod('data', 'db', 'db', 12, {pg: 5432})
  server.put(resources.networkPolicies, {
    metadata: {namespace: 'shop', name: 'web'},
    ...({
      spec: {
        podSelector: {matchLabels: {app: 'web'}},
        ingress: [{from: [{podSelector: {matchLabels: {app: 'client'}}}], ports: [{port: 'http'}]}],
      },
    } as object),
  })
  server.put(resources.ciliumNetworkPolicies, {
    metadata: {namespace: 'data', name: 'db'},
    ...({
      spec: {
        endpointSelector: {matchLabels: {app: 'db'}},
        ingress: [
          {
            fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': 'shop', app: 'web'}}],
            toPorts: [{ports: [{port: '5432', protocol: 'TCP'}]}],
          },
        ],
        ingressDeny: [{fromEntities: ['world']}],
      },
    } as object),
  })
  server.put(resources.services, {
    metadata: {namespace: 'shop', name: 'web'},
    ...({spec: {selector: {app: 'web'}, ports: [{name: 'www', port: 80, targetPort: 'http'}]}} as object),
  })
  server.put(resources.endpointSlices, {
    metadata: {namespace: 'shop', name: 'web-1', labels: {'kubernetes.io/service-name': 'web'}},
    ...({
      addressType: 'IPv4',
      endpoints: [{addresses: ['10.0.0.11']}],
      ports: [{name: 'www', port: 8080, protocol: 'TCP'}],
    } as object),
  })
}

export interface TextFile extends Disposable {
  readonly path: string
}

export function textFile(content: string): TextFile {
  const folder = mkdtempSync(join(tmpdir(), 'cilium-policy-'))
  const path = join(folder, 'policies.yaml')
  writeFileSync(path, content)
  return {path, [Symbol.dispose]: () => rmSync(folder, {recursive: true, force: true})}
}
