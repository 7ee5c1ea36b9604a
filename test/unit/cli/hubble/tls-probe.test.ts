import {createServer as createHttp2, createSecureServer} from 'node:http2'
import {type AddressInfo, createServer} from 'node:net'
import {afterEach, expect, test} from 'vitest'
import {HubbleClient} from '../../../../src/cli/hubble/client.ts'
import {probeTls} from '../../../../src/cli/hubble/tls-probe.ts'
import {createAuthority, issueCertificate} from '../../../../src/runtime/x509.ts'
import {serverOptions} from '../../../support/hubble/server-options.ts'

function selfSigned(): {readonly cert: string; readonly key: string} {
  const authority = createAuthority('test')
  const {certificate, key} = issueCertificate(authority, 'test', {commonName: 'x', usages: ['server'], hosts: ['x']})
  return {cert: certificate, key}
}

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

async function listening(server: ReturnType<typeof createServer | typeof createHttp2>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  ends.push(() => server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('a server with TLS, one without and none at all are told apart', async () => {
  const {cert, key} = selfSigned()

  expect(await probeTls(await listening(createSecureServer({cert, key})))).toBe('tls')
  expect(
    await probeTls(await listening(createSecureServer({cert, key, requestCert: true, rejectUnauthorized: true}))),
  ).toBe('tls')
  expect(await probeTls(await listening(createHttp2()))).toBe('plain')
  expect(await probeTls(await listening(createServer((socket) => socket.end())))).toBe('plain')
  expect(await probeTls('127.0.0.1:1')).toBeUndefined()
  expect(await probeTls('nonsense')).toBeUndefined()
})

test('a client without TLS hears that the server speaks it', async () => {
  const server = await listening(createSecureServer(selfSigned()))

  const refused = HubbleClient.connect(serverOptions(server, {timeoutMs: 500}), new AbortController().signal)

  await expect(refused).rejects.toMatchObject({code: 'HUBBLE_TLS_MISMATCH', fields: {detail: 'it speaks TLS'}})
})
