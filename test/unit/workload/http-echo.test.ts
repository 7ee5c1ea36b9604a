import type {Server} from 'node:net'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {httpEcho} from '../../../src/workload/http-echo.ts'
import {listenDualStack} from '../../../src/workload/listen.ts'

let server: Server
let port: number

beforeEach(async () => {
  server = httpEcho()
  port = await listenDualStack(server, 0)
})

afterEach(() => new Promise((resolve) => server.close(resolve)))

test('the echo names the client as the server saw it, in plain IPv4 too', async () => {
  const response = await fetch(`http://127.0.0.1:${port}/anything?x=1`, {headers: {'x-test': 'yes'}})

  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({
    client: {address: '127.0.0.1'},
    server: {address: '127.0.0.1', port},
    method: 'GET',
    path: '/anything?x=1',
    headers: {'x-test': 'yes'},
  })
})

test('the path with required authorization refuses everybody else', async () => {
  const url = `http://127.0.0.1:${port}/auth-header-required`

  expect((await fetch(url)).status).toBe(401)
  expect((await fetch(url, {headers: {authorization: 'Bearer 123456'}})).status).toBe(200)
})

test('client-ip and hostname answer in the form that existing suites read', async () => {
  const clientIp = await fetch(`http://127.0.0.1:${port}/client-ip`)
  const hostname = await fetch(`http://127.0.0.1:${port}/hostname`)

  expect(await clientIp.json()).toEqual({'client-ip': '127.0.0.1'})
  expect(await hostname.json()).toEqual({hostname: expect.any(String)})
})

test('a body of any size can be asked for', async () => {
  const response = await fetch(`http://127.0.0.1:${port}/bytes/1000000`)

  expect((await response.arrayBuffer()).byteLength).toBe(1_000_000)
})

test('a body that no test needs is refused', async () => {
  const response = await fetch(`http://127.0.0.1:${port}/`, {method: 'POST', body: 'x'.repeat(100_000)})

  expect(response.status).toBe(413)
})
