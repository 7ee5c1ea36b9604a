import {createServer} from 'node:net'
import {afterEach, expect, test} from 'vitest'
import {ProxyHealth, type ProxyState} from '../../../../src/agent/service/proxy-health.ts'
import {systemClock} from '../../../../src/runtime/clock.ts'
import {silentLog} from '../../../../src/runtime/log.ts'

const open: ProxyHealth[] = []
afterEach(() => {
  for (const one of open.splice(0)) one.stop()
})

async function serve(state: () => ProxyState): Promise<(path: string) => Promise<{status: number; body: unknown}>> {
  const port = await freePort()
  const health = new ProxyHealth({host: '127.0.0.1', port, state, clock: systemClock, log: silentLog})
  health.start()
  open.push(health)
  return async (path) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    const text = await response.text()
    return {status: response.status, body: text === '' ? undefined : JSON.parse(text)}
  }
}

test('answers 503 until services have been written once', async () => {
  const ask = await serve(() => ({updatedAt: undefined, taints: []}))

  expect((await ask('/healthz')).status).toBe(503)
  expect((await ask('/livez')).status).toBe(503)
})

test('answers 200 with the time of the last write', async () => {
  const ask = await serve(() => ({updatedAt: 1000, taints: []}))

  const {status, body} = await ask('/healthz')

  expect(status).toBe(200)
  expect(body).toMatchObject({lastUpdated: '1970-01-01T00:00:01.000Z', nodeEligible: true})
})

test('answers 503 on a node that the autoscaler takes away, where the proxy is alive all the same', async () => {
  const ask = await serve(() => ({updatedAt: 1000, taints: [{key: 'ToBeDeletedByClusterAutoscaler'}]}))

  expect(await ask('/healthz')).toMatchObject({status: 503, body: {nodeEligible: false}})
  expect((await ask('/livez')).status).toBe(200)
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const {port} = server.address() as {port: number}
  await new Promise((resolve) => server.close(resolve))
  return port
}
