/** A client that knows nothing of us but gRPC: it learns our messages by reflection, and asks. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, expect, test, vi} from 'vitest'
import {NodeServer} from '../../../src/hubble/server/node-server.ts'
import {grpcurl} from '../../support/hubble/go-programs.ts'
import {Ring} from '../../unit/hubble/ring.ts'

const folder = mkdtempSync(join(tmpdir(), 'standard-client-'))
const socketPath = join(folder, 'hubble.sock')
let program = ''
let server: NodeServer
const ring = new Ring()

beforeAll(async () => {
  program = await grpcurl()
  const unused = {pinRoot: '', monitorPath: '', listenAddress: '', tls: undefined, exports: [], flowLogsPath: ''}
  server = new NodeServer(
    {clusterName: 'lab', nodeName: 'n1', version: '1.2.3', capacity: 63, socketPath, ...unused},
    ring,
  )
  await server.start()
  ring.write({dport: 80, tcpFlags: 2}, {dport: 53, proto: 17, from: 'fd00::5', to: 'fd00::7'})
  await vi.waitFor(() => expect(server.counts.seen).toBe(2))
}, 600_000)
afterAll(async () => {
  await server.stop()
  rmSync(folder, {recursive: true, force: true})
})

const ask = async (...args: string[]) => (await execa(program, ['-plaintext', '-unix', ...args])).stdout

test('it finds the services', async () => {
  expect((await ask(socketPath, 'list')).split('\n')).toEqual([
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
    'grpc.reflection.v1alpha.ServerReflection',
    'observer.Observer',
    'peer.Peer',
  ])
})

test('it reads a message that it has never seen', async () => {
  const text = await ask(socketPath, 'describe', 'flow.IP')

  expect(text).toContain('string source_xlated = 5;')
  expect(text).toContain('.flow.IPVersion ipVersion = 3;')
})

test('it asks for flows with a filter and understands them', async () => {
  const text = await ask(
    '-d',
    '{"number":"5","whitelist":[{"ip_version":["IPv6"]}]}',
    socketPath,
    'observer.Observer/GetFlows',
  )
  const answer = JSON.parse(text) as {flow: object; nodeName: string}

  expect(answer).toMatchObject({
    nodeName: 'lab/n1',
    flow: {verdict: 'FORWARDED', IP: {source: 'fd00::5', ipVersion: 'IPv6'}, l4: {UDP: {destinationPort: 53}}},
  })
})

test('it hears why a filter is refused', async () => {
  const refused = ask('-d', '{"whitelist":[{"source_ip":["x"]}]}', socketPath, 'observer.Observer/GetFlows')

  await expect(refused).rejects.toThrow(/InvalidArgument/)
})

test('it asks for the health', async () => {
  const text = await ask('-d', '{"service":"hubble.server.Observer"}', socketPath, 'grpc.health.v1.Health/Check')

  expect(JSON.parse(text)).toEqual({status: 'SERVING'})
})
