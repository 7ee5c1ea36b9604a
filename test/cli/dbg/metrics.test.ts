import {createServer} from 'node:http'
import {expect, test} from 'vitest'
import {fakeAgent} from '../support/fake-agent.ts'
import {runProgram} from '../support/program.ts'

test('metrics are read where the agent serves them, chosen by name', async () => {
  const server = createServer((_, response) =>
    response.end('cilium_drop_count_total{direction="INGRESS",reason="Policy denied"} 3\ncilium_up 1\n'),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const {port} = server.address() as {port: number}
  await using agent = await fakeAgent({
    'GET /v1/config': {status: {daemonConfigurationMap: {'prometheus-serve-addr': `127.0.0.1:${port}`}}},
  })

  const text = await runProgram('cilium-dbg', ['metrics', 'list', '-p', 'drop', '-H', agent.host])
  const json = await runProgram('cilium-dbg', ['metrics', 'list', '-o', 'json', '-H', agent.host])

  expect(text.stdout).toBe(
    'Metric                    Labels                                       Value\n' +
      'cilium_drop_count_total   direction="INGRESS" reason="Policy denied"   3.000000\n',
  )
  expect(JSON.parse(json.stdout)).toHaveLength(2)
  expect(json.stderr).toBe('')
  server.close()
})

test('metrics that the agent tells on its socket are taken from there', async () => {
  await using agent = await fakeAgent({'GET /v1/metrics': [{name: 'cilium_up', labels: {}, value: 1}]})

  const {stdout} = await runProgram('cilium-dbg', ['metrics', 'list', '-H', agent.host])

  expect(stdout).toBe('Metric      Labels   Value\ncilium_up            1.000000\n')
})

test('an agent that serves none says how to change that', async () => {
  await using agent = await fakeAgent({'GET /v1/config': {status: {daemonConfigurationMap: {}}}})

  const {stderr, exitCode} = await runProgram('cilium-dbg', ['metrics', 'list', '-H', agent.host])

  expect(exitCode).toBe(1)
  expect(stderr).toContain('METRICS_OFF')
})

test('a pattern that is no regular expression is a usage error', async () => {
  const {exitCode} = await runProgram('cilium-dbg', ['metrics', 'list', '-p', '('])

  expect(exitCode).toBe(2)
})
