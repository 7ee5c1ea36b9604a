import {expect, test} from 'vitest'
import {parseRelayConfig} from '../../../../src/hubble/relay/config.ts'

const parse = (text: string) => parseRelayConfig(text, 'config.yaml')

test('an empty file gives what relays have always done', () => {
  expect(parse('')).toMatchObject({
    peerService: 'unix:///var/run/cilium/hubble.sock',
    listenAddress: ':4245',
    retryTimeoutMs: 30_000,
    sortBufferLength: 100,
    sortBufferDrainMs: 1_000,
    client: undefined,
    server: undefined,
  })
})

test('the file of tutorials is understood', () => {
  const config = parse(`
peer-service: hubble-peer.kube-system.svc.cluster.local:80
listen-address: :4244
dial-timeout: 10s
retry-timeout: 5s
sort-buffer-len-max: 200
sort-buffer-drain-timeout: 2s
tls-client-cert-file: /var/lib/hubble-tls/client.crt
tls-client-key-file: /var/lib/hubble-tls/client.key
tls-hubble-server-ca-files: /var/lib/hubble-tls/ca.crt
gops-port: "9893"
colour: blue
`)

  expect(config).toMatchObject({
    peerService: 'hubble-peer.kube-system.svc.cluster.local:80',
    listenAddress: ':4244',
    dialTimeoutMs: 10_000,
    retryTimeoutMs: 5_000,
    sortBufferLength: 200,
    sortBufferDrainMs: 2_000,
    client: {certificate: '/var/lib/hubble-tls/client.crt', authorities: ['/var/lib/hubble-tls/ca.crt']},
    unknown: ['colour'],
  })
})

test.each([
  ['- a list', 'keys and values'],
  ['retry-timeout: soon', 'retry-timeout=soon'],
  ['sort-buffer-len-max: 0', 'sort-buffer-len-max=0'],
  ['tls-relay-server-cert-file: /a', 'come together'],
  ['{tls-hubble-client-cert-file: /a, tls-hubble-client-key-file: /b}', 'tls-hubble-server-ca-files is missing'],
])('%s is refused', (text, detail) => {
  expect(() => parse(text)).toThrow(detail)
})
