import {expect, test} from 'vitest'
import type {Endpoint} from '../../../src/api/models.ts'
import {fakeAgent} from '../support/fake-agent.ts'
import {runProgram} from '../support/program.ts'

const web: Endpoint = {
  id: 7,
  status: {
    state: 'ready',
    identity: {id: 1207, labels: ['k8s:app=web', 'k8s:io.kubernetes.pod.namespace=demo']},
    labels: {'security-relevant': ['k8s:io.kubernetes.pod.namespace=demo', 'k8s:app=web']},
    networking: {addressing: [{ipv4: '10.0.0.17', ipv6: 'fd00::11'}]},
    policy: {
      'proxy-statistics': [],
      realized: {
        'allowed-egress-identities': [],
        'allowed-ingress-identities': [],
        'denied-egress-identities': [],
        'denied-ingress-identities': [],
        'policy-enabled': 'ingress',
      },
    },
  },
}
const young: Endpoint = {id: 3, status: {state: 'waiting-for-identity'}}

test('endpoints are listed by number with one label a row', async () => {
  await using agent = await fakeAgent({'GET /v1/endpoint': [web, young]})

  const {stdout, stderr, exitCode} = await runProgram('cilium-dbg', ['endpoint', 'list', '-H', agent.host])

  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  expect(stdout.split('\n')).toEqual([
    'ENDPOINT   POLICY (ingress)   POLICY (egress)   IDENTITY        LABELS (source:key[=value])            IPv6         IPv4         STATUS                 ',
    '           ENFORCEMENT        ENFORCEMENT                                                                                                               ',
    '3          Unknown            Unknown           <no label id>   no labels                              No address   No address   waiting-for-identity   ',
    '7          Enabled            Disabled          1207            k8s:app=web                            fd00::11     10.0.0.17    ready                  ',
    '                                                                k8s:io.kubernetes.pod.namespace=demo                                                    ',
    '',
  ])
})

test('without headers only the endpoints are printed', async () => {
  await using agent = await fakeAgent({'GET /v1/endpoint': [web]})

  const {stdout} = await runProgram('cilium-dbg', ['endpoint', 'list', '--no-headers', '-H', agent.host])

  expect(stdout).toMatch(/^7 {4}Enabled {3}Disabled {3}1207/)
})

test('the agent is found by CILIUM_SOCK as well', async () => {
  await using agent = await fakeAgent({'GET /v1/endpoint': []})

  const {stdout, exitCode} = await runProgram('cilium-dbg', ['endpoint', 'list', '-o', 'json'], {
    env: {CILIUM_SOCK: agent.host},
  })

  expect(exitCode).toBe(0)
  expect(stdout).toBe('[]\n')
})

test('endpoint get answers with a list in JSON unless told otherwise', async () => {
  await using agent = await fakeAgent({'GET /v1/endpoint/7': web})

  const {stdout} = await runProgram('cilium-dbg', ['endpoint', 'get', '7', '-H', agent.host])

  expect(JSON.parse(stdout)).toEqual([web])
})

test('endpoint get takes jsonpath over that list', async () => {
  await using agent = await fakeAgent({'GET /v1/endpoint/7': web})

  const {stdout} = await runProgram('cilium-dbg', [
    'endpoint',
    'get',
    '7',
    '-o',
    'jsonpath={[0].status.identity.id}',
    '-H',
    agent.host,
  ])

  expect(stdout).toBe('1207\n')
})

test('endpoint get by labels keeps those that carry all of them', async () => {
  await using agent = await fakeAgent({'GET /v1/endpoint': [web, young]})

  const {stdout} = await runProgram('cilium-dbg', ['endpoint', 'get', '-l', 'k8s:app=web', '-H', agent.host])

  expect(JSON.parse(stdout)).toHaveLength(1)
})

test('an endpoint that is not there is named with what to do', async () => {
  await using agent = await fakeAgent({})

  const {stderr, exitCode} = await runProgram('cilium-dbg', ['endpoint', 'get', '99', '-H', agent.host])

  expect(exitCode).toBe(1)
  expect(stderr).toContain(
    'error AGENT_NOT_FOUND  endpoint 99 is not known to the agent\n  try: "cilium-dbg endpoint list"',
  )
})

test('an id that can be none is a usage error', async () => {
  const {stderr, exitCode} = await runProgram('cilium-dbg', ['endpoint', 'health', 'a/b'])

  expect(exitCode).toBe(2)
  expect(stderr).toContain('ENDPOINT_ID_INVALID')
})

test('a changed option is sent as Enabled or Disabled', async () => {
  await using agent = await fakeAgent({
    'PATCH /v1/endpoint/7/config': {raw: '', status: 200},
    'GET /v1/endpoint/7/config': {realized: {options: {PolicyAuditMode: 'Enabled'}}},
  })

  const {stdout, exitCode} = await runProgram('cilium-dbg', [
    'endpoint',
    'config',
    '7',
    'PolicyAuditMode=true',
    '-H',
    agent.host,
  ])

  expect(exitCode).toBe(0)
  expect(JSON.parse(agent.calls[0]!.body)).toEqual({options: {PolicyAuditMode: 'Enabled'}})
  expect(stdout).toBe('  PolicyAuditMode   Enabled\n')
})

test('names of pods cannot write to the terminal', async () => {
  const evil = {...web, status: {...web.status!, labels: {'security-relevant': ['k8s:app=\u001b[2Jx\u009b1A']}}}
  await using agent = await fakeAgent({'GET /v1/endpoint': [evil]})

  const {stdout} = await runProgram('cilium-dbg', ['endpoint', 'list', '-H', agent.host])

  expect(stdout).toContain('k8s:app=[2Jx1A ')
  expect(stdout).not.toContain('\u001b')
})
