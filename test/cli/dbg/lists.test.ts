import {expect, test} from 'vitest'
import {fakeAgent} from '../support/fake-agent.ts'
import {runProgram} from '../support/program.ts'

const identities = [
  {id: 1207, labels: ['k8s:io.kubernetes.pod.namespace=demo', 'k8s:app=web']},
  {id: 1, labels: ['reserved:host']},
]

test('identities are listed by number with one label a row', async () => {
  await using agent = await fakeAgent({'GET /v1/identity': identities})

  const {stdout, stderr} = await runProgram('cilium-dbg', ['identity', 'list', '-H', agent.host])

  expect(stderr).toBe('')
  expect(stdout).toBe(`ID     LABELS
1      reserved:host
1207   k8s:app=web
       k8s:io.kubernetes.pod.namespace=demo
`)
})

test('identities in use come with their count', async () => {
  await using agent = await fakeAgent({'GET /v1/identity/endpoints': [{identity: identities[1], refCount: 2}]})

  const {stdout} = await runProgram('cilium-dbg', ['identity', 'list', '--endpoints', '-H', agent.host])

  expect(stdout).toBe('ID   LABELS          REFCOUNT\n1    reserved:host   2\n')
})

test('addresses show the labels of their identity, or its number', async () => {
  const answers = {
    'GET /v1/ip': [
      {cidr: '10.0.1.5/32', identity: 1207, metadata: {source: 'k8s'}},
      {cidr: '::/0', identity: 2},
    ],
    'GET /v1/identity': identities,
  }
  await using agent = await fakeAgent(answers)

  const named = await runProgram('cilium-dbg', ['ip', 'list', '-H', agent.host])
  const numeric = await runProgram('cilium-dbg', ['ip', 'list', '-n', '-H', agent.host])

  expect(named.stdout).toBe(`IP            IDENTITY                               SOURCE
10.0.1.5/32   k8s:app=web                            k8s
              k8s:io.kubernetes.pod.namespace=demo   
::/0          2                                      
`)
  expect(numeric.stdout).toBe(
    'IP            IDENTITY   SOURCE\n10.0.1.5/32   1207       k8s\n::/0          2          \n',
  )
})

test('nodes show both address families', async () => {
  const primary = {
    ipv4: {enabled: true, ip: '192.0.2.11', 'alloc-range': '10.0.0.0/24'},
    ipv6: {enabled: true, ip: 'fd00::b', 'alloc-range': 'fd00:1::/64'},
  }
  await using agent = await fakeAgent({
    'GET /v1/cluster/nodes': {'nodes-added': [{name: 'demo/n1', 'primary-address': primary, source: 'local'}]},
  })

  const {stdout} = await runProgram('cilium-dbg', ['node', 'list', '-H', agent.host])

  expect(stdout).toBe(`Name      IPv4 Address   Endpoint CIDR   IPv6 Address   Endpoint CIDR   Source
demo/n1   192.0.2.11     10.0.0.0/24     fd00::b        fd00:1::/64     local
`)
})

test('maps show entries, errors and whether they are cached', async () => {
  await using agent = await fakeAgent({
    'GET /v1/map': {
      maps: [
        {
          path: '/sys/fs/bpf/tc/globals/cilium_ipcache',
          cache: [
            {key: 'a', value: 'b', 'desired-action': 'ok'},
            {key: 'c', value: 'd', 'desired-action': 'insert', 'last-error': 'full'},
          ],
        },
        {path: '/sys/fs/bpf/tc/globals/cilium_ct', cache: null},
      ],
    },
  })

  const {stdout} = await runProgram('cilium-dbg', ['map', 'list', '-H', agent.host])

  expect(stdout).toBe(`Name             Num entries   Num errors   Cache enabled
cilium_ct        0             0            false
cilium_ipcache   2             1            true
`)
})

test('the policy revision comes out between quotes that the template has', async () => {
  await using agent = await fakeAgent({'GET /v1/policy': {policy: '[]', revision: 12}})

  const quoted = await runProgram('cilium-dbg', ['policy', 'get', '-o', "jsonpath='{.revision}'", '-H', agent.host])
  const text = await runProgram('cilium-dbg', ['policy', 'get', '-H', agent.host])

  expect(quoted.stdout).toBe("'12'\n")
  expect(text.stdout).toBe('[]\nRevision: 12\n')
})

test('the version of the agent is the first of its seven words', async () => {
  await using agent = await fakeAgent({
    'GET /v1/debuginfo': {'cilium-version': '0.1.0 abc1234 2026-01-05T10:00:00+00:00 go version node24 linux/amd64'},
  })

  const one = await runProgram('cilium-dbg', ['version', '-o', 'jsonpath={$.Daemon.Version}', '-H', agent.host])

  expect(one.stdout).toBe('0.1.0\n')
  expect(one.stderr).toBe('')
})

test('without an agent the version of the program is still told', async () => {
  const {stdout, exitCode} = await runProgram('cilium-dbg', ['version', '-H', 'unix:///nowhere.sock'])

  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/^Client: \d+\.\d+\.\d+ .*\nDaemon: Not responding\n$/)
})

test('one option is found wherever it lives, case ignored', async () => {
  await using agent = await fakeAgent({
    'GET /v1/config': {
      status: {daemonConfigurationMap: {EnableIPv4: true}, realized: {options: {Debug: 'Disabled'}}, immutable: {}},
    },
  })

  const fixed = await runProgram('cilium-dbg', ['config', 'get', 'enableipv4', '-H', agent.host])
  const changeable = await runProgram('cilium-dbg', ['config', 'get', 'debug', '-H', agent.host])
  const none = await runProgram('cilium-dbg', ['config', 'get', 'nothing', '-H', agent.host])

  expect(fixed.stdout).toBe('true\n')
  expect(changeable.stdout).toBe('Disabled\n')
  expect(none.exitCode).toBe(1)
})

test('an option without a value is a usage error and nothing is sent', async () => {
  await using agent = await fakeAgent({})

  const {exitCode} = await runProgram('cilium-dbg', ['config', 'Debug', '-H', agent.host])

  expect(exitCode).toBe(2)
  expect(agent.calls).toEqual([])
})

test('what the agent refuses is told in its own words', async () => {
  await using agent = await fakeAgent({'PATCH /v1/config': {raw: '"unknown option Foo"', status: 400}})

  const {stderr, exitCode} = await runProgram('cilium-dbg', ['config', 'Foo=true', '-H', agent.host])

  expect(exitCode).toBe(1)
  expect(stderr).toContain('AGENT_REFUSED  the agent answered /config with 400: unknown option Foo')
})
