import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {kubeconfigPaths, loadKubeconfig, resolveContext} from '../../../src/k8s/kubeconfig.ts'
import type {CiliumError} from '../../../src/runtime/errors.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'))
})
afterEach(() => rmSync(folder, {recursive: true}))

function file(name: string, content: string): string {
  const path = join(folder, name)
  mkdirSync(join(path, '..'), {recursive: true})
  writeFileSync(path, content)
  return path
}

const simple = (name: string, extra = '') => `
apiVersion: v1
kind: Config
current-context: ${name}
contexts:
- name: ${name}
  context: {cluster: ${name}-cluster, user: ${name}-user}
clusters:
- name: ${name}-cluster
  cluster: {server: 'https://${name}.example:6443'}
users:
- name: ${name}-user
  user: {token: ${name}-token}
${extra}`

const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: CiliumError) => error,
  )

describe('finding files', () => {
  test('the flag, then KUBECONFIG, then the home directory', () => {
    expect(kubeconfigPaths({path: '/a', env: {KUBECONFIG: '/b'}})).toEqual(['/a'])
    expect(kubeconfigPaths({env: {KUBECONFIG: '/b:/c::', HOME: '/h'}})).toEqual(['/b', '/c'])
    expect(kubeconfigPaths({path: '', env: {HOME: '/h'}})).toEqual(['/h/.kube/config'])
  })

  test('without any file there is no configuration, but one asked for must be there', async () => {
    expect(await loadKubeconfig({env: {HOME: folder}})).toBeUndefined()
    expect(await loadKubeconfig({env: {KUBECONFIG: join(folder, 'none')}})).toBeUndefined()
    const error = await failure(loadKubeconfig({path: join(folder, 'none')}))
    expect([error.code, error.message]).toEqual([
      'K8S_CONFIG_INVALID',
      expect.stringContaining('there is no such file'),
    ])
  })

  test('of several files the first to name something wins', async () => {
    const one = file('one', simple('one'))
    const two = file('two', `${simple('two')}- name: one-user\n  user: {token: other}\n`)
    const config = await loadKubeconfig({env: {KUBECONFIG: `${one}:${join(folder, 'missing')}:${two}`}})
    expect(config?.currentContext).toBe('one')
    expect([...(config?.contexts.keys() ?? [])]).toEqual(['one', 'two'])
    expect(config?.users.get('one-user')?.token).toBe('one-token')
  })
})

describe('reading', () => {
  test('everything that clusters and users may have; paths are relative to the file', async () => {
    const path = file(
      'sub/config',
      `
current-context: c
contexts:
- name: c
  context: {cluster: k, user: u, namespace: shop}
clusters:
- name: k
  cluster:
    server: https://10.0.0.1:6443/prefix
    certificate-authority: pki/ca.crt
    insecure-skip-tls-verify: false
    tls-server-name: api.internal
    proxy-url: http://proxy:3128
users:
- name: u
  user:
    client-certificate: /abs/cert
    client-key: key
    tokenFile: token
    username: me
    password: secret
    as: admin
    as-uid: '7'
    as-groups: [g1, g2]
    as-user-extra: {scope: [a]}
    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/plugin, args: [x], interactiveMode: Never}
    auth-provider: {name: oidc, config: {id-token: abc}}
`,
    )
    const target = resolveContext((await loadKubeconfig({path}))!)
    const sub = join(folder, 'sub')
    expect(target).toEqual({
      name: 'c',
      namespace: 'shop',
      cluster: {
        name: 'k',
        server: 'https://10.0.0.1:6443/prefix',
        caFile: join(sub, 'pki/ca.crt'),
        tlsServerName: 'api.internal',
        proxyUrl: 'http://proxy:3128',
      },
      user: {
        name: 'u',
        certFile: '/abs/cert',
        keyFile: join(sub, 'key'),
        tokenFile: join(sub, 'token'),
        username: 'me',
        password: 'secret',
        impersonate: {user: 'admin', uid: '7', groups: ['g1', 'g2'], extra: {scope: ['a']}},
        exec: {
          apiVersion: 'client.authentication.k8s.io/v1',
          command: join(sub, 'bin/plugin'),
          args: ['x'],
          interactiveMode: 'Never',
        },
        authProvider: {name: 'oidc', config: {'id-token': 'abc'}},
      },
    })
  })

  test('JSON is read, an empty file has nothing in it', async () => {
    const json = file(
      'json',
      JSON.stringify({'current-context': 'x', contexts: [{name: 'x', context: {cluster: 'y'}}, 7, {}]}),
    )
    expect((await loadKubeconfig({path: json}))?.contexts.get('x')?.cluster).toBe('y')
    expect((await loadKubeconfig({path: file('empty', '')}))?.contexts.size).toBe(0)
  })

  test.each([
    ['a list', '- a\n- b\n', 'it is not a kubeconfig'],
    ['no YAML', 'a: [1\nb: }', 'it is not YAML'],
    ['contexts that are no list', 'contexts: {a: b}', 'contexts is not a list'],
  ])('%s is refused', async (_, content, detail) => {
    expect((await failure(loadKubeconfig({path: file('bad', content)}))).message).toContain(detail)
  })

  test('a YAML error shows no token', async () => {
    const error = await failure(loadKubeconfig({path: file('bad', 'users:\n- token: hunter2\n  : [}')}))
    expect(error.message).not.toContain('hunter2')
  })
})

describe('contexts', () => {
  const load = async (content: string) => (await loadKubeconfig({path: file('config', content)}))!
  const codeOf = (work: () => unknown) => {
    try {
      work()
    } catch (error) {
      return `${(error as CiliumError).code}: ${(error as CiliumError).message} (${(error as CiliumError).advice})`
    }
    return 'none'
  }

  test('the one asked for, or the current one; default is the namespace', async () => {
    const config = await load(simple('one'))
    expect(resolveContext(config).cluster.server).toBe('https://one.example:6443')
    expect(resolveContext(config, 'one').namespace).toBe('default')
  })

  test('an unknown context names those that exist', async () => {
    expect(codeOf(() => resolveContext({...config, currentContext: 'two'}))).toMatch(
      /K8S_CONTEXT_UNKNOWN.*"two".*choose one of: one/,
    )
    expect(codeOf(() => resolveContext({...config, contexts: new Map()}, 'x'))).toContain('(there are none)')
  })

  test('what leads nowhere is refused', async () => {
    expect(codeOf(() => resolveContext({...config, currentContext: undefined}))).toContain('no current-context is set')
    expect(codeOf(() => resolveContext({...config, clusters: new Map()}))).toContain('has no server')
    const odd = new Map([['one-cluster', {server: 'ftp://x'}]])
    expect(codeOf(() => resolveContext({...config, clusters: odd}))).toContain('no http(s) URL')
  })

  test('a user that is not there is nobody in particular', async () => {
    expect(resolveContext({...config, users: new Map()}).user).toEqual({name: 'one-user'})
  })

  let config: Awaited<ReturnType<typeof load>>
  beforeEach(async () => {
    config = await load(simple('one'))
  })
})
