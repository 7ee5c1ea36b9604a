import {afterEach, describe, expect, test} from 'vitest'
import {ApiError} from '../../../src/k8s/api-error.ts'
import {ClientMetrics, type ClientOptions, KubeClient} from '../../../src/k8s/client.ts'
import type {Credentials} from '../../../src/k8s/credentials.ts'
import {watchEvents} from '../../../src/k8s/watch-stream.ts'
import type {CiliumError} from '../../../src/runtime/errors.ts'
import {MetricRegistry} from '../../../src/runtime/metrics.ts'
import {type ApiServer, type ApiServerOptions, startApiServer} from '../../support/api/api-server.ts'
import {eventually} from '../../support/eventually.ts'
import {startTcpRelay} from '../../support/tcp-relay.ts'

const opened: {close(): void}[] = []
const servers: ApiServer[] = []
afterEach(async () => {
  for (const client of opened.splice(0)) client.close()
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

async function setUp(options: ApiServerOptions = {}, client: ClientOptions = {}) {
  const server = await startApiServer(options)
  servers.push(server)
  const kube = server.connect(client)
  opened.push(kube)
  return {server, kube}
}

function clientOf(credentials: Credentials, options: ClientOptions = {}): KubeClient {
  const kube = new KubeClient(credentials, options)
  opened.push(kube)
  return kube
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: CiliumError) => error,
  )

describe.each(['http', 'https', 'h2'] as const)('over %s', (protocol) => {
  test('asks and answers', async () => {
    const {server, kube} = await setUp({protocol})
    const version = await kube.json<{gitVersion: string}>({
      path: '/version',
      query: {a: 1, b: ['x', 'y'], c: undefined},
    })
    expect(version.gitVersion).toBe('v1.34.0-test')
    expect(String(server.requests[0]?.query)).toBe('a=1&b=x&b=y')
    expect(server.requests[0]?.headers['user-agent']).toMatch(/^cilium\/\d/)
  })

  test('bodies go both ways, also large ones', async () => {
    const {server, kube} = await setUp({protocol})
    const text = 'x'.repeat(3 << 20)
    const path = '/api/v1/namespaces/a/configmaps'
    await kube.json({method: 'POST', path, body: {metadata: {name: 'big'}, data: {text}}})
    const read = await kube.json<{data: {text: string}}>({path: `${path}/big`})
    expect(read.data.text.length).toBe(text.length)
    expect(server.requests[0]?.headers['content-type']).toBe('application/json')
  })

  test('a connection that is cut in the middle is "unreachable", and the next request gets a new one', async () => {
    const {server, kube} = await setUp({protocol})
    await kube.text({path: '/readyz'})
    // HTTP/1.1 asks once more by itself when it had used the connection before
    server.inject({times: protocol === 'h2' ? 1 : 2}, 'reset')
    const error = await failure(kube.json({path: '/version'}))
    expect(error.code).toBe('K8S_UNREACHABLE')
    expect(await kube.text({path: '/readyz'})).toBe('ok')
  })

  test('a request without an answer ends after its time, with a code', async () => {
    const {server, kube} = await setUp({protocol})
    server.inject({}, 'hang')
    const error = await failure(kube.json({path: '/version', timeoutMs: 30, what: 'get the version'}))
    expect(error.message).toBe(`the API server ${server.url} did not answer get the version within 30 ms`)
    expect((await failure(kube.stream({path: '/version', timeoutMs: 30}))).code).toBe('K8S_TIMEOUT')
  })

  test('a request given up ends with the reason', async () => {
    const {server, kube} = await setUp({protocol})
    server.inject({}, 'hang')
    const abort = new AbortController()
    const asking = failure(kube.json({path: '/version', signal: abort.signal}))
    await eventually(() => server.requests.length === 1)
    abort.abort(new Error('not interested any more'))
    expect((await asking).message).toBe('not interested any more')
    expect((await failure(kube.json({path: '/version', signal: abort.signal}))).message).toBe('not interested any more')
  })

  test('a watch that is given up in the middle leaves nothing open', async () => {
    const {server, kube} = await setUp({protocol})
    const abort = new AbortController()
    const {body} = await kube.stream({path: '/api/v1/pods', query: {watch: true}, signal: abort.signal})
    const reading = failure(
      (async () => {
        for await (const _ of watchEvents(body)) expect.fail('nothing happens')
      })(),
    )
    abort.abort()
    await reading
    await eventually(() => server.watchCount === 0)
  })
})

describe('HTTP/2', () => {
  test('twenty watches and requests share one connection', async () => {
    const {server, kube} = await setUp({protocol: 'h2'})
    const bodies = await Promise.all(
      Array.from({length: 20}, async () => (await kube.stream({path: '/api/v1/pods', query: {watch: true}})).body),
    )
    await kube.text({path: '/readyz'})
    expect([server.watchCount, server.connectionCount]).toEqual([20, 1])
    for (const body of bodies) body.destroy()
    await eventually(() => server.watchCount === 0)
  })

  test('a server that does not answer pings is given up while a watch waits', async () => {
    const {server} = await setUp({protocol: 'h2'})
    const relay = await startTcpRelay(Number(new URL(server.url).port))
    const credentials = {...server.credentials(), servers: [new URL(`https://127.0.0.1:${relay.port}`)]}
    const kube = clientOf(credentials, {pingEveryMs: 20, pingTimeoutMs: 50})
    const {body} = await kube.stream({path: '/api/v1/pods', query: {watch: true}})
    relay.freeze()
    const reading = async () => {
      for await (const _ of body) expect.fail('nothing happens')
    }
    expect((await failure(reading())).message).toContain('does not answer pings')
    await relay.close()
  })

  test('pings that are answered disturb nobody', async () => {
    const {server, kube} = await setUp({protocol: 'h2'}, {pingEveryMs: 5, pingTimeoutMs: 1000})
    const {body} = await kube.stream({path: '/api/v1/pods', query: {watch: true}})
    await new Promise((resolve) => setTimeout(resolve, 60))
    expect(server.watchCount).toBe(1)
    body.destroy()
  })

  test('a server that says it goes away gets no new requests, and keeps its old ones', async () => {
    const {server, kube} = await setUp({protocol: 'h2'})
    const {body} = await kube.stream({path: '/api/v1/pods', query: {watch: true}})
    server.sendGoaway()
    await eventually(async () => {
      await kube.text({path: '/readyz'})
      return server.connectionCount === 2
    })
    expect(server.watchCount).toBe(1)
    body.destroy()
  })
})

describe('refusals', () => {
  test.each([
    [400, 'BadRequest', 'K8S_BAD_REQUEST'],
    [403, 'Forbidden', 'K8S_FORBIDDEN'],
    [404, 'NotFound', 'K8S_NOT_FOUND'],
    [409, 'Conflict', 'K8S_CONFLICT'],
    [409, 'AlreadyExists', 'K8S_ALREADY_EXISTS'],
    [410, 'Expired', 'K8S_EXPIRED'],
    [422, 'Invalid', 'K8S_INVALID'],
    [429, 'TooManyRequests', 'K8S_THROTTLED'],
    [500, 'InternalError', 'K8S_SERVER_ERROR'],
    [503, 'ServiceUnavailable', 'K8S_SERVER_ERROR'],
  ])('%i %s is %s', async (status, reason, code) => {
    const {server, kube} = await setUp()
    server.inject({}, {status, reason, message: 'because'})
    const error = await failure(kube.json({path: '/version', what: 'get pods a/b'}))
    expect(error).toBeInstanceOf(ApiError)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(/get pods a\/b.*because/)
    expect((error as ApiError).httpStatus).toBe(status)
  })

  test('an invalid object names its fields, and a busy server when to come back', async () => {
    const {server, kube} = await setUp()
    const causes = [{field: 'spec.ports[0].port', message: 'must be between 1 and 65535', reason: 'FieldValueInvalid'}]
    server.inject({times: 1}, {status: 422, reason: 'Invalid', details: {causes}})
    const invalid = (await failure(kube.json({path: '/version'}))) as ApiError
    expect(invalid.problems).toEqual([{path: 'spec.ports[0].port', problem: 'must be between 1 and 65535'}])
    server.inject({times: 1}, {status: 429, retryAfter: 7})
    expect(((await failure(kube.json({path: '/version'}))) as ApiError).retryAfterMs).toBe(7000)
  })

  test('answers that are not Kubernetes’ own are told apart', async () => {
    const {server, kube} = await setUp()
    server.inject({times: 2}, {text: '<html>please sign in</html>'})
    expect((await failure(kube.json({path: '/version'}))).code).toBe('K8S_BAD_ANSWER')
    expect(await kube.text({path: '/version'})).toContain('sign in')
    server.inject({times: 1}, {text: ''})
    expect((await failure(kube.json({path: '/version'}))).message).toContain('it is empty')
  })
})

describe('reaching the server', () => {
  const at = (...urls: string[]): Credentials => ({
    servers: urls.map((url) => new URL(url)),
    namespace: 'default',
    context: 'test',
    tls: async () => ({}),
    headers: async () => ({}),
    refresh: async () => ({headers: false, connection: false}),
  })

  test('nobody there', async () => {
    for (const url of ['http://127.0.0.1:1', 'https://127.0.0.1:1', 'https://no-such-host.invalid']) {
      const error = await failure(clientOf(at(url)).json({path: '/version'}))
      expect(error.code).toBe('K8S_UNREACHABLE')
      expect(error.message).toContain(url)
    }
  })

  test('a certificate that nobody vouches for is a TLS error', async () => {
    const {server} = await setUp({protocol: 'h2'})
    const error = await failure(clientOf(at(server.url)).json({path: '/version'}))
    expect(error.code).toBe('K8S_TLS')
  })

  test('a certificate for another name is a TLS error, unless that name is expected', async () => {
    const {server} = await setUp({protocol: 'h2'})
    const other = (servername: string | undefined): Credentials => ({
      ...server.credentials(),
      tls: async () => ({ca: server.ca, ...(servername === undefined ? {} : {servername})}),
    })
    expect((await failure(clientOf(other('elsewhere.example')).json({path: '/version'}))).code).toBe('K8S_TLS')
    expect(await clientOf(other('localhost')).text({path: '/readyz'})).toBe('ok')
  })

  test('checking can be switched off', async () => {
    const {server} = await setUp({protocol: 'https'})
    const careless = {...server.credentials(), tls: async () => ({insecure: true})}
    expect(await clientOf(careless).text({path: '/readyz'})).toBe('ok')
  })

  test('of several servers the next one is asked when one is gone', async () => {
    const {server} = await setUp()
    const kube = clientOf(at('http://127.0.0.1:1', server.url))
    expect((await failure(kube.text({path: '/readyz'}))).code).toBe('K8S_UNREACHABLE')
    expect(await kube.text({path: '/readyz'})).toBe('ok')
    expect(kube.server.href).toBe(`${server.url}/`)
  })

  test('ten requests that fail together move on by one server only', async () => {
    const {server} = await setUp()
    const kube = clientOf(at('http://127.0.0.1:1', server.url, 'http://127.0.0.1:2'))
    await Promise.allSettled(Array.from({length: 10}, () => kube.text({path: '/readyz'})))
    expect(await kube.text({path: '/readyz'})).toBe('ok')
  })

  test('a closed client asks nobody', async () => {
    const {server, kube} = await setUp()
    kube.close()
    await expect(kube.text({path: '/readyz'})).rejects.toThrow('the client is closed')
    expect(server.requests).toEqual([])
  })
})

describe('who is asking', () => {
  test('a token that was renewed is read again after 401, once', async () => {
    const {server} = await setUp({tokens: new Set(['new'])})
    let token = 'old'
    const kube = clientOf({
      ...server.credentials(),
      headers: async () => ({authorization: `Bearer ${token}`}),
      refresh: async () => {
        token = 'new'
        return {headers: true, connection: true}
      },
    })
    expect(await kube.text({path: '/readyz'})).toBe('ok')
    expect(server.requests).toHaveLength(2)
  })

  test('a token that stays wrong is an error after one try', async () => {
    const {server} = await setUp({tokens: new Set(['right'])})
    const error = await failure(server.connect({token: 'wrong'}).text({path: '/readyz', what: 'look'}))
    expect(error.code).toBe('K8S_UNAUTHORIZED')
    expect(server.requests).toHaveLength(1)
  })
})

test('requests are counted by path pattern, never by name', async () => {
  const registry = new MetricRegistry()
  const {server, kube} = await setUp({}, {metrics: new ClientMetrics(registry, 'cilium')})
  for (const path of [
    '/api/v1/namespaces/a/pods/x',
    '/api/v1/namespaces/b/pods/y',
    '/apis/cilium.io/v2/ciliumnodes/n',
    '/api/v1/namespaces',
  ]) {
    await kube.text({path}).catch(() => {})
  }
  server.inject({}, 'reset')
  await kube.text({path: '/version'}).catch(() => {})
  const text = registry.render()
  const {host} = new URL(server.url)
  expect(text).toContain(`cilium_k8s_client_api_calls_total{host="${host}",method="GET",return_code="404"} 3\n`)
  expect(text).toContain(`cilium_k8s_client_api_calls_total{host="${host}",method="GET",return_code="0"} `)
  const patterns = [...text.matchAll(/_count\{path="([^"]+)"/g)].map((match) => match[1])
  expect(patterns.sort()).toEqual([
    '/api/v1/namespaces',
    '/api/v1/namespaces/{namespace}/pods/{name}',
    '/apis/cilium.io/v2/ciliumnodes/{name}',
  ])
})
