import {chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import http from 'node:http'
import type {AddressInfo} from 'node:net'
import {connect} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {connectKube} from '../../../src/k8s/client.ts'
import {
  type CredentialOptions,
  contextCredentials,
  findCredentials,
  inClusterCredentials,
} from '../../../src/k8s/credentials.ts'
import type {KubeCluster, KubeUser} from '../../../src/k8s/kubeconfig.ts'
import type {CiliumError} from '../../../src/runtime/errors.ts'
import {startApiServer} from '../../support/api/api-server.ts'
import {FakeClock} from '../../support/fake-clock.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'credentials-'))
})
afterEach(() => rmSync(folder, {recursive: true}))

function file(name: string, content: string): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: CiliumError) => error,
  )

const context = (user: KubeUser, cluster: Partial<KubeCluster> = {}, options: CredentialOptions = {}) =>
  contextCredentials(
    {
      name: 'c',
      namespace: 'default',
      cluster: {server: 'https://api.example:6443', name: 'k', ...cluster},
      user: {...user, name: 'u'},
    },
    {env: {}, ...options},
  )

describe('inside a pod', () => {
  const account = () => {
    file('token', 'first\n')
    file('ca.crt', 'CA')
    file('namespace', 'kube-system\n')
    return {serviceAccountFolder: folder}
  }

  test('the service account, the server from the environment', async () => {
    const env = {KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443'}
    const credentials = await inClusterCredentials({...account(), env})
    expect(credentials.servers.map(String)).toEqual(['https://[fd00::1]:6443/'])
    expect(credentials.namespace).toBe('kube-system')
    expect(await credentials.headers()).toEqual({authorization: 'Bearer first'})
    expect(String((await credentials.tls()).ca)).toBe('CA')
  })

  test('servers given replace that of the environment', async () => {
    const servers = ['172.30.0.1:6443', 'https://other']
    const credentials = await inClusterCredentials({...account(), env: {}, servers})
    expect(credentials.servers.map(String)).toEqual(['https://172.30.0.1:6443/', 'https://other/'])
  })

  test('a renewed token is used within a minute, and at once after a refusal', async () => {
    const clock = new FakeClock()
    const credentials = await inClusterCredentials({...account(), env: {KUBERNETES_SERVICE_HOST: 'x'}, clock})
    expect(await credentials.headers()).toEqual({authorization: 'Bearer first'})
    file('token', 'second')
    expect(await credentials.headers()).toEqual({authorization: 'Bearer first'})
    await clock.advance(61_000)
    expect(await credentials.headers()).toEqual({authorization: 'Bearer second'})
    expect(await credentials.refresh()).toEqual({headers: false, connection: false})
    file('token', 'third')
    expect(await credentials.refresh()).toEqual({headers: true, connection: false})
    expect(await credentials.headers()).toEqual({authorization: 'Bearer third'})
  })

  test('a token file that is missing for a moment does no harm', async () => {
    const clock = new FakeClock()
    const credentials = await inClusterCredentials({...account(), env: {KUBERNETES_SERVICE_HOST: 'x'}, clock})
    await credentials.headers()
    rmSync(join(folder, 'token'))
    await clock.advance(61_000)
    expect(await credentials.headers()).toEqual({authorization: 'Bearer first'})
  })

  test('is what is left when there is no kubeconfig', async () => {
    const env = {HOME: '/nonexistent', KUBERNETES_SERVICE_HOST: '10.0.0.1'}
    expect((await findCredentials({...account(), env})).context).toBe('in-cluster')
  })

  test('outside of a cluster without a kubeconfig says where it looked', async () => {
    const error = await failure(findCredentials({env: {HOME: '/nonexistent'}, serviceAccountFolder: folder}))
    expect([error.code, error.message]).toEqual(['K8S_NO_CONFIG', expect.stringContaining('/nonexistent/.kube/config')])
    expect((await failure(inClusterCredentials({...account(), env: {}}))).code).toBe('K8S_NO_CONFIG')
    expect((await failure(inClusterCredentials({...account(), env: {}, servers: ['http://[']}))).code).toBe(
      'K8S_CONFIG_INVALID',
    )
  })
})

describe('of a kubeconfig', () => {
  test('certificates from data (which wins) or files', async () => {
    const base64 = (text: string) => Buffer.from(text).toString('base64')
    const user = {certFile: file('cert', 'CERT'), keyData: base64('KEY'), keyFile: '/nonexistent'}
    const tls = await context(user, {caData: base64('CA'), tlsServerName: 'name', insecure: true}).tls()
    expect({...tls, ca: String(tls.ca), cert: String(tls.cert), key: String(tls.key)}).toEqual({
      ca: 'CA',
      cert: 'CERT',
      key: 'KEY',
      servername: 'name',
      insecure: true,
    })
    const error = await failure(context({certFile: '/nonexistent'}).tls())
    expect(error.message).toBe('kubeconfig /nonexistent cannot be used: it cannot be read (ENOENT)')
  })

  test('a token, a token file (which wins), or a name and password', async () => {
    expect(await context({token: 't'}).headers()).toEqual({authorization: 'Bearer t'})
    expect(await context({token: 't', tokenFile: file('token', 'f')}).headers()).toEqual({authorization: 'Bearer f'})
    expect(await context({username: 'u', password: 'p'}).headers()).toEqual({authorization: 'Basic dTpw'})
    expect(await context({}).headers()).toEqual({})
    expect(await context({token: 't'}).refresh()).toEqual({headers: false, connection: false})
    expect(await context({tokenFile: file('token', 'f')}).refresh()).toEqual({headers: true, connection: false})
  })

  test('somebody else may be impersonated, by the file or by flags', async () => {
    const file = {impersonate: {user: 'file'}}
    expect(await context(file).headers()).toEqual({'impersonate-user': 'file'})
    const flags = {impersonate: {user: 'flag', uid: '1', groups: ['a', 'b'], extra: {'k/x': ['v']}}}
    expect(await context(file, {}, flags).headers()).toEqual({
      'impersonate-user': 'flag',
      'impersonate-uid': '1',
      'impersonate-group': ['a', 'b'],
      'impersonate-extra-k%2Fx': ['v'],
    })
  })
})

describe('credential plugins', () => {
  function plugin(script: string): string {
    const path = file('plugin', `#!/bin/sh\n${script}\n`)
    chmodSync(path, 0o755)
    return path
  }
  const printing = (status: object) =>
    plugin(`echo x >> ${folder}/runs; echo "$KUBERNETES_EXEC_INFO" > ${folder}/info
cat <<'END'
${JSON.stringify({apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status})}
END`)
  const runs = () => (existsSync(join(folder, 'runs')) ? readFileSync(join(folder, 'runs'), 'utf8').length / 2 : 0)

  test('print a token, which is used until it ends', async () => {
    const clock = new FakeClock()
    const ends = new Date(clock.now() + 60_000).toISOString()
    const command = printing({token: 'issued', expirationTimestamp: ends})
    const credentials = context({exec: {command, env: [{name: 'A', value: 'b'}]}}, {}, {clock})
    const [first, second] = await Promise.all([credentials.headers(), credentials.headers()])
    expect([first, second]).toEqual([{authorization: 'Bearer issued'}, {authorization: 'Bearer issued'}])
    expect(runs()).toBe(1)
    await clock.advance(51_000)
    await credentials.headers()
    expect(runs()).toBe(2)
  })

  test('are run again after a refusal', async () => {
    const credentials = context({exec: {command: printing({token: 'issued'})}})
    await credentials.headers()
    expect(await credentials.refresh()).toEqual({headers: true, connection: false})
    expect(runs()).toBe(2)
  })

  test('print a certificate, which needs a new connection', async () => {
    const command = printing({clientCertificateData: 'CERT', clientKeyData: 'KEY'})
    const credentials = context({exec: {command, provideClusterInfo: true}}, {caData: 'Q0E=', tlsServerName: 's'})
    expect(await credentials.tls()).toMatchObject({cert: 'CERT', key: 'KEY'})
    expect(await credentials.headers()).toEqual({})
    expect((await credentials.refresh()).connection).toBe(true)
    expect(JSON.parse(readFileSync(join(folder, 'info'), 'utf8'))).toMatchObject({
      kind: 'ExecCredential',
      spec: {
        interactive: false,
        cluster: {server: 'https://api.example:6443', 'certificate-authority-data': 'Q0E=', 'tls-server-name': 's'},
      },
    })
  })

  test.each([
    [
      'fails',
      'echo "session expired, token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl" >&2; exit 1',
      'session expired, token <redacted>',
    ],
    ['says nothing and fails', 'exit 3', 'it ended with 3'],
    ['prints no JSON', 'echo hunter2', 'it did not print an ExecCredential'],
    ['prints something else', `echo '{"kind":"Pod"}'`, 'it did not print an ExecCredential'],
    ['prints nothing useful', `echo '{"kind":"ExecCredential","status":{}}'`, 'neither a token nor a certificate'],
  ])('one that %s is an error that names it', async (_, script, detail) => {
    const error = await failure(context({exec: {command: plugin(script)}}).headers())
    expect(error.code).toBe('K8S_EXEC_AUTH_FAILED')
    expect(error.message).toContain(detail)
    expect(error.message).not.toContain('hunter2')
  })

  test('one that is not installed says how to install it', async () => {
    const error = await failure(
      context({exec: {command: 'no-such-plugin', installHint: 'Get it from there.'}}).headers(),
    )
    expect(error.message).toContain('it is not installed. Get it from there.')
  })

  test('one that must ask the user is refused without a terminal', async () => {
    const error = await failure(context({exec: {command: 'true', interactiveMode: 'Always'}}).headers())
    expect(error.message).toContain('it needs a terminal')
  })
})

describe('what only the stock client knows', () => {
  test('a legacy auth provider gives its token', async () => {
    const idToken = `e30.${Buffer.from(JSON.stringify({exp: 4e9})).toString('base64url')}.c2ln`
    const credentials = context({authProvider: {name: 'oidc', config: {'id-token': idToken}}})
    expect(await credentials.headers()).toEqual({authorization: `Bearer ${idToken}`})
  })

  test.each(['proxy-url', 'HTTPS_PROXY'])('requests go through the proxy of %s', async (place) => {
    await using server = await startApiServer({protocol: 'https'})
    const asked: string[] = []
    const proxy = http.createServer().on('connect', (request, socket) => {
      asked.push(request.url ?? '')
      const upstream = connect(Number(new URL(server.url).port), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        upstream.pipe(socket).pipe(upstream)
      })
      socket.on('error', () => upstream.destroy())
      upstream.on('error', () => socket.destroy())
    })
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
    const proxyUrl = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const path = file(
      'config',
      JSON.stringify({
        'current-context': 'c',
        contexts: [{name: 'c', context: {cluster: 'k', user: 'u'}}],
        clusters: [
          {
            name: 'k',
            cluster: {
              // a name that only the proxy can reach
              server: 'https://api.example:443',
              'tls-server-name': 'localhost',
              'certificate-authority-data': Buffer.from(server.ca).toString('base64'),
              ...(place === 'proxy-url' ? {'proxy-url': proxyUrl} : {}),
            },
          },
        ],
      }),
    )
    const client = await connectKube({path, env: place === 'HTTPS_PROXY' ? {HTTPS_PROXY: proxyUrl} : {}})

    expect(await client.text({path: '/readyz'})).toBe('ok')
    expect(asked).toEqual(['api.example:443'])
    client.close()
    proxy.closeAllConnections()
    proxy.close()
  })

  test.each(['api.example', '.example', 'example', '*'])('NO_PROXY %s keeps the server out of it', async (exempt) => {
    const env = {HTTPS_PROXY: 'http://127.0.0.1:1', NO_PROXY: `other, ${exempt}`}
    expect((await context({}, {}, {env}).tls()).agent).toBeUndefined()
  })

  test('NO_PROXY may name networks, and loopback is never sent to a proxy', async () => {
    const env = {HTTPS_PROXY: '127.0.0.1:1', NO_PROXY: '10.0.0.0/8'}
    expect((await context({}, {server: 'https://10.1.2.3'}, {env}).tls()).agent).toBeUndefined()
    expect((await context({}, {server: 'https://127.0.0.1:6443'}, {env}).tls()).agent).toBeUndefined()
    expect((await context({}, {server: 'https://11.1.2.3'}, {env}).tls()).agent).toBeDefined()
  })
})

test('a client is opened from a kubeconfig', async () => {
  await using server = await startApiServer({protocol: 'h2', tokens: new Set(['secret'])})
  const path = file(
    'config',
    JSON.stringify({
      'current-context': 'c',
      contexts: [{name: 'c', context: {cluster: 'k', user: 'u', namespace: 'shop'}}],
      clusters: [
        {
          name: 'k',
          cluster: {server: server.url, 'certificate-authority-data': Buffer.from(server.ca).toString('base64')},
        },
      ],
      users: [{name: 'u', user: {token: 'secret'}}],
    }),
  )
  const client = await connectKube({path})
  expect([client.namespace, client.context, await client.text({path: '/readyz'})]).toEqual(['shop', 'c', 'ok'])
  client.close()
})
