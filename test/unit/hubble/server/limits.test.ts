/** Clients that are many, slow, gone or malicious: each gets what is its own, and nobody else notices. */
import {mkdtempSync, rmSync} from 'node:fs'
import {connect as connectHttp2} from 'node:http2'
import {connect} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Client, credentials, type ServiceError, status} from '@grpc/grpc-js'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {type GetFlowsRequest, type GetFlowsResponse, ObserverService} from '../../../../src/api/gen/observer.ts'
import {NodeServer} from '../../../../src/hubble/server/node-server.ts'
import {Ring} from '../ring.ts'

const folder = mkdtempSync(join(tmpdir(), 'limits-'))
const socketPath = join(folder, 'hubble.sock')
const {path, requestSerialize, responseDeserialize} = ObserverService.GetFlows
const patience = {timeout: 30_000}
let ring: Ring
let server: NodeServer
let clients: Client[]

beforeEach(async () => {
  ring = new Ring()
  clients = []
  server = new NodeServer(
    {
      clusterName: 'lab',
      nodeName: 'n1',
      version: '1',
      capacity: 8191,
      pinRoot: '',
      socketPath,
      monitorPath: '',
      listenAddress: '',
      tls: undefined,
      exports: [],
      flowLogsPath: '',
    },
    ring,
  )
  await server.start()
})
afterEach(async () => {
  for (const client of clients) client.close()
  await server.stop()
  rmSync(folder, {recursive: true, force: true})
})

function newClient(): Client {
  const client = new Client(`unix://${socketPath}`, credentials.createInsecure(), {'grpc.use_local_subchannel_pool': 1})
  clients.push(client)
  return client
}

function follow(client: Client, request: GetFlowsRequest = {follow: true}) {
  const call = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request)
  const state = {call, flows: 0, lost: 0n, code: undefined as number | undefined}
  call.on('data', ({flow, lost_events: lost}: GetFlowsResponse) => {
    if (flow !== undefined) state.flows++
    state.lost += lost?.num_events_lost ?? 0n
  })
  call.on('error', (error: ServiceError) => (state.code = error.code))
  return state
}

const stillAnswers = async () => {
  const state = follow(newClient(), {number: 1n})
  await new Promise((resolve) => state.call.once('end', resolve))
  return state.code
}

test('the stream beyond the last that is answered is refused, until one ends', async () => {
  const client = newClient()
  const all = Array.from({length: 1024}, () => follow(client))
  await Promise.all(all.map(({call}) => new Promise((resolve) => call.once('metadata', resolve))))

  const late = follow(newClient())
  await expect.poll(() => late.code, patience).toBe(status.RESOURCE_EXHAUSTED)
  all[0]!.call.cancel()

  await expect
    .poll(() => {
      const next = follow(newClient())
      return new Promise<boolean>((resolve) => {
        next.call.once('metadata', () => resolve(next.code === undefined))
        next.call.once('error', () => resolve(false))
      })
    }, patience)
    .toBe(true)
}, 60_000)

test('hundreds of clients that leave at once leave nothing behind', async () => {
  const many = Array.from({length: 300}, () => follow(newClient()))
  await Promise.all(many.map(({call}) => new Promise((resolve) => call.once('metadata', resolve))))
  ring.write({})
  await expect.poll(() => many.every(({flows}) => flows === 1), patience).toBe(true)
  for (const client of clients.splice(0)) client.close()

  ring.write({})
  expect(await stillAnswers()).toBeUndefined()
}, 60_000)

test('one that does not read is told what it missed, to the last flow, and holds up nobody', async () => {
  const slow = newClient().makeServerStreamRequest(path, requestSerialize, responseDeserialize, {follow: true})
  slow.on('error', () => {})
  const quick = follow(newClient())
  let flows = 0
  let lost = 0n
  let written = 0
  await new Promise((resolve) => slow.once('metadata', resolve))
  await new Promise((resolve) => quick.call.once('metadata', resolve))
  // it reads one, and nothing while the others come
  await new Promise<void>((resolve) => {
    slow.once('data', () => {
      slow.pause()
      flows++
      resolve()
    })
    ring.write({})
    written++
  })
  for (let round = 0; round < 20; round++) {
    ring.write(...Array.from({length: 4000}, () => ({})))
    written += 4000
    await expect.poll(() => quick.flows, patience).toBe(written)
  }

  slow.on('data', ({flow, lost_events: gone}: GetFlowsResponse) => {
    if (flow !== undefined) flows++
    lost += gone?.num_events_lost ?? 0n
  })
  slow.resume()
  // what it is told of losses comes with flows
  await expect
    .poll(() => {
      ring.write({})
      written++
      return BigInt(flows) + lost >= BigInt(written - 1)
        ? [BigInt(flows) + lost <= BigInt(written), lost > 0n]
        : [flows, lost, written]
    }, patience)
    .toEqual([true, true])
  expect(quick.lost).toBe(0n)
  slow.cancel()
}, 120_000)

test.each([
  ['no protobuf', Buffer.from('ffffffffffffffffffff7f', 'hex')],
  ['a length beyond the end', Buffer.from('32ff01', 'hex')],
  ['a group', Buffer.from('0b', 'hex')],
  ['a text that is no UTF-8', Buffer.from('32040a02c328', 'hex')],
])('a request of %s is refused, and the next is answered', async (_, bytes) => {
  const client = newClient()
  const call = client.makeServerStreamRequest(path, (body: Buffer) => body, responseDeserialize, bytes)
  const code = await new Promise((resolve) => {
    call.on('error', (error: ServiceError) => resolve(error.code))
    call.on('end', () => resolve(undefined))
    call.resume()
  })

  expect([status.INTERNAL, status.INVALID_ARGUMENT]).toContain(code)
  expect(await stillAnswers()).toBeUndefined()
})

test('a request that is too large is refused', async () => {
  const big = follow(newClient(), {whitelist: [{source_pod: ['x'.repeat(5 << 20)]}]})

  await expect.poll(() => big.code, patience).toBe(status.RESOURCE_EXHAUSTED)
})

test.each([
  ['too many filters', {whitelist: Array.from({length: 1001}, () => ({verdict: [1]}))}],
  ['too many values', {whitelist: [{source_identity: Array.from({length: 100_001}, (__, index) => index)}]}],
])('a request with %s is refused', async (_, request) => {
  const many = follow(newClient(), request)

  await expect.poll(() => many.code, patience).toBe(status.INVALID_ARGUMENT)
})

test('what speaks no HTTP/2, or half a request, ends nothing', async () => {
  const sockets = Array.from({length: 50}, () => connect(socketPath))
  for (const [index, socket] of sockets.entries()) {
    socket.on('error', () => {})
    socket.write(index % 2 === 0 ? 'GET / HTTP/1.0\r\n\r\n' : 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0')
  }
  const half = connectHttp2('http://localhost', {createConnection: () => connect(socketPath)})
  half.on('error', () => {})
  // a call whose request never comes
  half
    .request({':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers'})
    .on('error', () => {})

  expect(await stillAnswers()).toBeUndefined()
  for (const socket of sockets) socket.destroy()
  half.destroy()
})
