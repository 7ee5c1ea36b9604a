/** Who asks for Hubble's metrics, and how: plain, with TLS, in OpenMetrics. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {get as httpGet} from 'node:http'
import {get as httpsGet} from 'node:https'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {type MetricsServer, serveMetrics} from '../../../../src/hubble/metrics/metrics-server.ts'
import {MetricRegistry} from '../../../../src/runtime/metrics.ts'
import {createAuthority, issueCertificate} from '../../../../src/runtime/x509.ts'

const authority = createAuthority('Cilium CA')
const name = 'default.hubble-metrics.cilium.io'
const issue = (usage: 'client' | 'server') =>
  issueCertificate(authority, 'Cilium CA', {commonName: name, hosts: [name], usages: [usage]})

let folder: string
let server: MetricsServer | undefined
const registry = new MetricRegistry()
registry
  .counter({name: 'hubble_drop_total', help: 'Number of "drops"', labels: ['reason']})
  .labels('X')
  .inc(2)
registry
  .histogram({name: 'hubble_seconds', help: 'Time', buckets: [1]})
  .labels()
  .observe(0.5, {
    labels: {traceID: 'abc'},
    value: 0.5,
    time: 1.5,
  })
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'metrics-server-'))
})
afterEach(() => {
  server?.close()
  rmSync(folder, {recursive: true})
})

const tls = (withClients = false) => ({
  certificate: join(folder, 'server.crt'),
  key: join(folder, 'server.key'),
  clientAuthority: withClients ? join(folder, 'client-ca.crt') : undefined,
})

function putCertificate() {
  const {certificate, key} = issue('server')
  writeFileSync(join(folder, 'server.crt'), certificate)
  writeFileSync(join(folder, 'server.key'), key)
  writeFileSync(join(folder, 'client-ca.crt'), authority.certificate)
}

function ask(port: number, options: object | undefined, accept = ''): Promise<{type: string; text: string}> {
  return new Promise((resolve, reject) => {
    const get = options === undefined ? httpGet : httpsGet
    const request = get(
      {
        port,
        path: '/metrics',
        headers: {accept},
        ca: authority.certificate,
        servername: name,
        agent: false,
        ...options,
      },
      (response) => {
        let text = ''
        response.on('data', (data) => (text += String(data)))
        response.on('end', () => resolve({type: response.headers['content-type'] ?? '', text}))
      },
    )
    request.on('error', reject)
  })
}

const openMetrics = 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5'

test('OpenMetrics is for those who ask for it', async () => {
  server = await serveMetrics(registry, {address: '127.0.0.1:0', openMetrics: true})
  const plain = await ask(server.port, undefined)
  const open = await ask(server.port, undefined, openMetrics)

  expect(plain.type).toContain('version=0.0.4')
  expect(plain.text).toContain('# TYPE hubble_drop_total counter')
  expect(open.type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
  expect(open.text).toBe(`# HELP hubble_drop Number of \\"drops\\"
# TYPE hubble_drop counter
hubble_drop_total{reason="X"} 2
# HELP hubble_seconds Time
# TYPE hubble_seconds histogram
hubble_seconds_bucket{le="1"} 1 # {traceID="abc"} 0.5 1.5
hubble_seconds_bucket{le="+Inf"} 1
hubble_seconds_sum 0.5
hubble_seconds_count 1
# EOF
`)
})

test('who has not switched it on answers as ever', async () => {
  server = await serveMetrics(registry, {address: '127.0.0.1:0'})

  expect((await ask(server.port, undefined, openMetrics)).type).toContain('version=0.0.4')
})

test('with TLS the certificate is shown', async () => {
  putCertificate()
  server = await serveMetrics(registry, {address: '127.0.0.1:0', tls: tls()})

  expect((await ask(server.port, {})).text).toContain('hubble_drop_total{reason="X"} 2')
})

test('before there is a certificate nobody is answered', async () => {
  server = await serveMetrics(registry, {address: '127.0.0.1:0', tls: tls()})

  await expect(ask(server.port, {})).rejects.toThrow()
})

test('who has no certificate of the authority is not answered when that is asked for', async () => {
  putCertificate()
  server = await serveMetrics(registry, {address: '127.0.0.1:0', tls: tls(true)})
  const {certificate: cert, key} = issue('client')

  await expect(ask(server.port, {})).rejects.toThrow()
  expect((await ask(server.port, {cert, key})).text).toContain('hubble_drop_total')
})
