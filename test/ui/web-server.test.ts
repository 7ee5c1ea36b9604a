import {get, type IncomingMessage} from 'node:http'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {startObserver, type TestObserver} from '../support/hubble/observer.ts'
import {startUi, type TestUi} from '../support/hubble/page.ts'
import {usualShop} from '../support/hubble/shop.ts'

const poll = {timeout: 60_000}

let observer: TestObserver
let ui: TestUi
beforeEach(async () => {
  observer = await startObserver()
  ui = await startUi(observer.target, {hosts: ['hubble.example'], pagesMax: 2})
})
afterEach(async () => {
  await ui[Symbol.asyncDispose]()
  observer[Symbol.dispose]()
})

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** fetch may not set these headers. */
function ask(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(new URL(path, ui.url), {headers}, (response) => {
      let body = ''
      response.on('data', (data) => (body += String(data)))
      response.on('end', () => resolve({status: response.statusCode!, headers: response.headers, body}))
    }).on('error', reject)
  })
}

/** Opens a stream of events; `until` waits for one that fits. */
async function events(query: string) {
  const abort = new AbortController()
  const response = await fetch(new URL(`api/flows?${query}`, ui.url), {signal: abort.signal})
  let text = ''
  const found: {event: string; data: never}[] = []
  const reading = (async () => {
    const decoder = new TextDecoder()
    for await (const bytes of response.body!) {
      text += decoder.decode(bytes as Uint8Array, {stream: true})
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end)) ?? []
        if (event !== undefined) found.push({event, data: JSON.parse(data!) as never})
        text = text.slice(end + 2)
      }
    }
  })().catch(() => {})
  return {
    status: response.status,
    found,
    async close() {
      abort.abort()
      await reading
    },
  }
}

describe('the server', () => {
  test('lets pages take nothing from elsewhere, and be shown in no other', async () => {
    const {headers, status} = await ask('/')

    expect(status).toBe(200)
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'")
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(headers['content-security-policy']).not.toContain('unsafe')
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'cross-origin-resource-policy': 'same-origin',
    })
    expect(headers['access-control-allow-origin']).toBeUndefined()
  })

  test.each(['localhost:12000', '127.0.0.1', '[::1]:80', 'hubble.example', 'HUBBLE.example:8080'])(
    'answers to the name %s',
    async (host) => {
      expect((await ask('/api/cluster', {host})).status).toBe(200)
    },
  )

  test.each(['evil.example', 'hubble.example.evil.example', 'localhost.evil.example'])(
    'does not answer to the name %s: somebody may have made it lead here',
    async (host) => {
      for (const path of ['/', '/api/cluster', '/api/flows']) expect((await ask(path, {host})).status).toBe(421)
    },
  )

  test('answers no page of others, and nothing but reading', async () => {
    expect((await ask('/api/cluster', {'sec-fetch-site': 'cross-site'})).status).toBe(403)
    expect((await ask('/api/flows', {'sec-fetch-site': 'same-site'})).status).toBe(403)
    expect((await fetch(new URL('api/cluster', ui.url), {method: 'POST'})).status).toBe(405)
  })

  test.each(['/../package.json', '/%2e%2e/package.json', '/api/', '/page.js/', '/__proto__'])(
    'has nothing at %s',
    async (path) => {
      expect((await ask(path)).status).toBe(404)
    },
  )

  test.each(['namespace=a/b', 'namespace=..', 'verdict=x', 'port=-1'])('refuses %s', async (query) => {
    expect((await ask(`/api/flows?${query}`)).status).toBe(400)
  })

  test('tells which version of a file it has', async () => {
    const {headers} = await ask('/page.js')

    expect((await ask('/page.js', {'if-none-match': headers.etag!})).status).toBe(304)
    expect((await ask('/page.js', {'accept-encoding': 'gzip'})).headers['content-encoding']).toBe('gzip')
  })

  test('lets so many pages look, and the next one in when one has gone', async () => {
    const one = await events('')
    const two = await events('')
    const three = await events('')
    await two.close()
    await expect.poll(() => ui.server.pages, poll).toBe(1)
    const four = await events('')

    expect([one, two, three, four].map(({status}) => status)).toEqual([200, 200, 503, 200])
    await Promise.all([one, three, four].map((stream) => stream.close()))
  })

  test('lies below a path where it is asked to', async () => {
    await using below = await startUi(observer.target, {baseUrl: '/net/hubble/'})

    expect(await (await fetch(below.url)).text()).toContain('<base href="/net/hubble/">')
    expect((await fetch(new URL('/net/hubble', below.url), {redirect: 'manual'})).headers.get('location')).toBe(
      '/net/hubble/',
    )
    expect((await fetch(new URL('/page.js', below.url))).status).toBe(404)
  })
})

describe('a stream', () => {
  test('tells map, flows and state of one namespace', async () => {
    const {shop} = usualShop(observer)
    shop.say(
      {from: 'frontend', to: 'cart', port: 7070},
      {from: 'ads', to: 'payments', port: 50051, outcome: 'denied', policy: 7},
      {from: 'prometheus', to: 'coredns', port: 9153},
    )
    const stream = await events('namespace=shop')

    await expect
      .poll(() =>
        stream.found.filter(({event}) => event === 'flows').flatMap(({data}) => (data as {rows: object[]}).rows),
      )
      .toMatchObject([
        {outcome: 'forwarded', source: {name: 'frontend'}, destination: {name: 'cart', port: 7070}, policies: []},
        {
          outcome: 'denied',
          reason: 'a policy denies it',
          policies: [{kind: 'CiliumNetworkPolicy', name: 'payments-callers', direction: 'ingress', effect: 'denies'}],
        },
      ])
    const map = stream.found.find(({event}) => event === 'map')!.data as {nodes: {id: string}[]}
    expect(map.nodes.map(({id}) => id).sort()).toEqual([
      'shop/Deployment/ads',
      'shop/Deployment/cart',
      'shop/Deployment/frontend',
      'shop/Deployment/payments',
    ])
    expect(stream.found.some(({event, data}) => event === 'state' && (data as {connected: boolean}).connected)).toBe(
      true,
    )
    await stream.close()
  })

  test.each([
    ['verdict=denied', ['payments']],
    ['verdict=forwarded,dropped', ['cart', 'world']],
    ['port=7070', ['cart']],
    ['workload=shop%2FDeployment%2Fads', ['payments']],
    ['text=BACKEND', ['world']],
    ['text=frontend', ['cart']],
  ])('%s lists those flows', async (query, names) => {
    const {shop} = usualShop(observer)
    shop.say(
      {from: 'frontend', to: 'cart', port: 7070},
      {from: 'ads', to: 'payments', port: 50051, outcome: 'denied'},
      {from: 'email', to: 'world', port: 25, outcome: 'dropped'},
    )
    const stream = await events(query)

    await expect
      .poll(
        () =>
          stream.found
            .filter(({event}) => event === 'flows')
            .flatMap(({data}) => (data as {rows: {destination: {name: string}}[]}).rows)
            .map(({destination}) => destination.name),
        poll,
      )
      .toEqual(names)
    await stream.close()
  })

  test('outlives the relay and tells each flow once', async () => {
    const {shop} = usualShop(observer)
    shop.say({from: 'frontend', to: 'cart', port: 1})
    const stream = await events('')
    const ports = () =>
      stream.found
        .filter(({event}) => event === 'flows')
        .flatMap(({data}) => (data as {rows: {destination: {port: number}}[]}).rows)
        .map(({destination}) => destination.port)
    const states = () =>
      stream.found.filter(({event}) => event === 'state').map(({data}) => (data as {connected: boolean}).connected)
    await expect.poll(ports, poll).toEqual([1])

    observer.stop()
    await expect.poll(() => states().at(-1), poll).toBe(false)
    await observer.start()
    await expect.poll(() => states().at(-1), poll).toBe(true)
    shop.say({from: 'frontend', to: 'cart', port: 2})

    await expect.poll(ports, poll).toEqual([1, 2])
    await stream.close()
  })

  test('that nobody reads keeps little, and says afterwards how much there was', async () => {
    const {shop, day} = usualShop(observer)
    for (let round = 0; round < 30; round++) shop.say(...day)
    const stream = await events('')

    const sum = () =>
      stream.found
        .filter(({event}) => event === 'flows')
        .map(({data}) => data as {rows: object[]; skipped: number})
        .reduce((total, {rows, skipped}) => total + rows.length + skipped, 0)
    await expect.poll(sum, poll).toBe(30 * day.length)
    const most = Math.max(
      ...stream.found.filter(({event}) => event === 'flows').map(({data}) => (data as {rows: object[]}).rows.length),
    )
    expect(most).toBeLessThanOrEqual(100)
    await stream.close()
  })
})
