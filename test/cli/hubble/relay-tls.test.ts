/** The relay with TLS, reached with what its Secrets say. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {connect} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {resources} from '../../../src/k8s/resources.ts'
import {createAuthority, issueCertificate} from '../../../src/runtime/x509.ts'
import {startObserver, type TestObserver} from '../../support/hubble/observer.ts'
import {type TestCluster, testCluster} from '../support/cluster.ts'
import {runProgram} from '../support/program.ts'

const name = '*.hubble-relay.cilium.io'
const authority = createAuthority('Cilium CA')
const made = (usage: 'client' | 'server') =>
  issueCertificate(authority, 'Cilium CA', {commonName: name, hosts: [name], usages: [usage]})

let cluster: TestCluster
let observer: TestObserver
let folder: string
beforeEach(async () => {
  cluster = await testCluster()
  folder = mkdtempSync(join(tmpdir(), 'relay-tls-'))
  const server = made('server')
  const files = {'ca.crt': authority.certificate, 'tls.crt': server.certificate, 'tls.key': server.key}
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text)
  putSecret('hubble-relay-server-certs', files)
  observer = await startObserver({
    tls: {
      certificate: join(folder, 'tls.crt'),
      key: join(folder, 'tls.key'),
      clientAuthority: join(folder, 'ca.crt'),
    },
  })
  observer.ring.write({from: '10.0.1.5', to: '10.0.2.7', flags: 0})
  putRelay(observer.port)
})
afterEach(async () => {
  observer[Symbol.dispose]()
  rmSync(folder, {recursive: true})
  await cluster[Symbol.asyncDispose]()
})

function putSecret(secret: string, files: Readonly<Record<string, string>>) {
  const data = Object.fromEntries(
    Object.entries(files).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
  )
  cluster.server.put(resources.secrets, {metadata: {name: secret, namespace: 'kube-system'}, ...({data} as object)})
}

/** A relay whose port is that of the observer: a port-forward leads to it byte by byte. */
function putRelay(port: number) {
  cluster.server.put(resources.services, {
    metadata: {name: 'hubble-relay', namespace: 'kube-system'},
    ...({spec: {selector: {'k8s-app': 'hubble-relay'}, ports: [{port: 443, targetPort: port}]}} as object),
  })
  cluster.server.put(resources.pods, {
    metadata: {name: 'relay', namespace: 'kube-system', labels: {'k8s-app': 'hubble-relay'}},
    ...({
      spec: {containers: [{name: 'relay'}]},
      status: {phase: 'Running', conditions: [{type: 'Ready', status: 'True'}]},
    } as object),
  })
  cluster.server.streams.set('/api/v1/namespaces/kube-system/pods/relay/portforward', (socket) => {
    const number = Buffer.alloc(2)
    number.writeUInt16LE(port)
    socket.send(0, number)
    socket.send(1, number)
    const onward = connect(port, '127.0.0.1')
    onward.on('error', () => {})
    onward.on('data', (data) => socket.send(0, data))
    socket.onMessage = (data) => {
      if (data[0] === 0) onward.write(data.subarray(1))
    }
  })
}

const hubble = (...args: string[]) =>
  runProgram('hubble', [...args, '-P', '--port-forward-port', '0'], {env: cluster.env})

test('hubble -P takes authority, name and client certificate from the Secrets', async () => {
  const {certificate, key} = made('client')
  putSecret('hubble-relay-client-certs', {'ca.crt': authority.certificate, 'tls.crt': certificate, 'tls.key': key})

  const {stdout, stderr, exitCode} = await hubble('observe', '--numeric')

  expect(stderr).toBe('')
  expect(stdout).toContain('10.0.1.5:40000')
  expect(exitCode).toBe(0)
})

test('so do the commands of policies', async () => {
  const {certificate, key} = made('client')
  putSecret('hubble-relay-client-certs', {'ca.crt': authority.certificate, 'tls.crt': certificate, 'tls.key': key})

  const {stdout, exitCode} = await runProgram('cilium', ['policy', 'suggest', '-n', 'shop'], {env: cluster.env})

  expect(stdout).toContain('(1 connections)')
  expect(exitCode).toBe(0)
})

test('Secrets with other names are found at the relay', async () => {
  const {certificate, key} = made('client')
  putSecret('ours', {'ca.crt': authority.certificate, 'tls.crt': certificate, 'tls.key': key})
  const projected = {sources: [{secret: {name: 'ours', items: [{key: 'tls.crt', path: 'client.crt'}]}}]}
  cluster.server.put(resources.deployments, {
    metadata: {name: 'hubble-relay', namespace: 'kube-system'},
    ...({spec: {template: {spec: {volumes: [{name: 'tls', projected}]}}}} as object),
  })

  const {stdout} = await hubble('status')

  expect(stdout).toContain('Ok')
})

test('a relay whose authority cannot be had is said with what to do', async () => {
  cluster.server.remove(resources.secrets, 'kube-system/hubble-relay-server-certs')

  const {stderr, exitCode} = await hubble('status')

  expect(stderr).toContain('error HUBBLE_RELAY_SECRET  the relay speaks TLS')
  expect(stderr).toContain('kube-system/hubble-relay-server-certs')
  expect(exitCode).toBe(1)
})
