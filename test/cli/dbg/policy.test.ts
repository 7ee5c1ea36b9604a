/** What an agent says of its policies. */
import {expect, test} from 'vitest'
import {fakeAgent} from '../support/fake-agent.ts'
import {runProgram} from '../support/program.ts'

const dbg = (host: string, ...args: string[]) => runProgram('cilium-dbg', ['policy', ...args, '-H', host])

test('selectors are listed with the identities they select', async () => {
  const labels = [
    [
      {key: 'io.cilium.k8s.policy.name', value: 'web'},
      {key: 'io.cilium.k8s.policy.namespace', value: 'shop'},
    ],
  ]
  const identities = [300, 301, 302]
  await using agent = await fakeAgent({
    'GET /v1/policy/selectors': [{selector: 'any:app=client', users: 2, identities, labels}],
    'GET /v1/policy/subject-selectors': [{selector: 'any:app=web', users: 1, identities: []}],
  })

  const {stdout} = await dbg(agent.host, 'selectors', '--limit', '2')
  const subjects = await dbg(agent.host, 'subject-selectors', '-o', 'json')

  expect(stdout).toBe(
    `SELECTOR         LABELS     USERS   IDENTITIES
any:app=client   shop/web   2       300   
                                    301   
                                    and 1 more
`.replaceAll(/ +$/gm, ''),
  )
  expect(JSON.parse(subjects.stdout)).toEqual([{selector: 'any:app=web', users: 1, identities: []}])
})

test('wait ends when every endpoint with an identity has the revision', async () => {
  let asked = 0
  const endpoint = (id: number, revision: number, identity?: object) => ({
    id,
    status: {...(identity ? {identity} : {}), policy: {realized: {'policy-revision': revision}}},
  })
  await using agent = await fakeAgent({
    'GET /v1/endpoint': () => [endpoint(1, ++asked > 2 ? 5 : 4, {id: 300}), endpoint(2, 0)],
  })

  const {exitCode} = await dbg(agent.host, 'wait', '5')

  expect(exitCode).toBe(0)
  expect(asked).toBe(3)
})

test('wait names the endpoints that are behind when it gives up', async () => {
  await using agent = await fakeAgent({
    'GET /v1/endpoint': [{id: 7, status: {identity: {id: 300}, policy: {realized: {'policy-revision': 1}}}}],
  })

  const {stderr, exitCode} = await dbg(agent.host, 'wait', '5', '--max-wait-time', '10ms')

  expect(stderr).toContain('error POLICY_WAIT_TIMEOUT  endpoints 7 have not reached policy revision 5 in time')
  expect(exitCode).toBe(1)
})
