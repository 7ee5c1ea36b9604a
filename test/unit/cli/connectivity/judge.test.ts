import {expect, test} from 'vitest'
import {type Cause, judge} from '../../../../src/cli/connectivity/judge.ts'
import type {Action} from '../../../../src/cli/connectivity/test.ts'
import type {CommandResult} from '../../../../src/cli/connectivity/test-cluster.ts'
import {peer} from './fake-context.ts'

const action = (tool: Action['tool'], check?: Action['check']): Action => ({
  name: 'x',
  from: peer('client', 'n1', 1),
  to: {name: 'echo', address: '10.0.0.9'},
  command: [tool],
  tool,
  ...(check === undefined ? {} : {check}),
})

const curlEnd = (exitCode: number, report: object, told = '') => ({
  exitCode,
  stdout: '',
  stderr: `*   Trying 10.0.0.9:8080...\n${told}${JSON.stringify({
    errormsg: '',
    http_code: 0,
    time_namelookup: 0,
    time_connect: 0,
    size_download: 0,
    ...report,
  })}`,
})

test.each<[string, number, object, Cause]>([
  ['a name that is not known', 6, {errormsg: 'Could not resolve host: x'}, 'dns'],
  ['an error of the server', 22, {http_code: 403}, 'http'],
  ['no answer to a connection', 28, {errormsg: 'Connection timed out after 2001 ms'}, 'timeout'],
  ['no answer of DNS', 28, {errormsg: 'Resolving timed out after 2000 milliseconds'}, 'dns'],
  ['a stalled answer', 28, {time_connect: 0.01, size_download: 1400, http_code: 200}, 'mtu'],
  ['nothing after the connection', 28, {time_connect: 0.01, http_code: 0}, 'mtu'],
  ['TLS that fails', 35, {}, 'tls'],
  ['an empty answer', 52, {}, 'reset'],
  ['a reset', 56, {}, 'reset'],
])('curl: %s', (_, exitCode, report, cause) => {
  const judgement = judge(action('curl'), curlEnd(exitCode, report))

  expect(judgement).toMatchObject({ok: false, cause})
  expect(judgement.text).not.toBe('')
})

test.each<[string, Cause]>([
  ['Connection refused', 'refused'],
  ['No route to host', 'unreachable'],
  ['Network is unreachable', 'unreachable'],
])('curl that cannot connect tells %s', (reason, cause) => {
  const told = `* connect to 10.0.0.9 port 8080 from 10.0.0.1 port 4000 failed: ${reason}\n`

  const judgement = judge(action('curl'), curlEnd(7, {errormsg: 'Could not connect to server'}, told))

  expect(judgement).toMatchObject({ok: false, cause})
  expect(judgement.text).toContain(`(curl 7: ${reason}, Could not connect to server)`)
})

test.each<[string, number, string, Cause]>([
  ['no answer', 1, '1 packets transmitted, 0 received', 'timeout'],
  ['a narrow path', 1, 'From 10.0.0.1 icmp_seq=1 Frag needed and DF set (mtu = 1400)', 'mtu'],
  ['a narrow path of IPv6', 1, 'From fd00::1 icmp_seq=1 Packet too big: mtu=1400', 'mtu'],
  ['a packet too large for the device', 1, 'ping: local error: message too long, mtu: 1450', 'mtu'],
  ['an unreachable address', 1, 'From 10.0.0.1 icmp_seq=1 Destination Host Unreachable', 'unreachable'],
  ['a name that is not known', 2, 'ping: x: Name or service not known', 'dns'],
])('ping: %s', (_, exitCode, stdout, cause) => {
  expect(judge(action('ping'), {exitCode, stdout, stderr: ''})).toMatchObject({ok: false, cause})
})

test('an end without words is told with its exit code and the last line of what was printed', () => {
  const judgement = judge(action('other'), {exitCode: 3, stdout: '', stderr: 'first\nlast\n'})

  expect(judgement).toEqual({ok: false, cause: 'command', text: 'other ended with exit code 3: last'})
})

test('a good end is still judged by the check', () => {
  const end = {exitCode: 0, stdout: 'x', stderr: ''}

  expect(
    judge(
      action('curl', () => undefined),
      end,
    ),
  ).toEqual({ok: true})
  expect(
    judge(
      action('curl', () => 'it is wrong'),
      end,
    ),
  ).toEqual({ok: false, cause: 'wrong', text: 'it is wrong'})
})

test.each<[string, CommandResult]>([
  ['nothing comes back', curlEnd(28, {errormsg: 'Connection timed out after 2001 ms'})],
  [
    'the denial is answered',
    curlEnd(7, {errormsg: 'Failed to connect'}, '* connect to 10.0.0.9 failed: No route to host\n'),
  ],
  [
    'the connection is reset',
    curlEnd(7, {errormsg: 'Failed to connect'}, '* connect to 10.0.0.9 failed: Connection refused\n'),
  ],
])('what is to be denied is denied when %s', (_, result) => {
  expect(judge(action('curl'), result, 'denied')).toEqual({ok: true})
})

test('what is to be denied and is answered has failed, whoever answered', () => {
  const wrongPod = () => 'another pod answered'

  expect(judge(action('curl'), curlEnd(0, {}), 'denied')).toMatchObject({ok: false, cause: 'allowed'})
  expect(judge(action('curl', wrongPod), curlEnd(0, {}), 'denied')).toMatchObject({ok: false, cause: 'allowed'})
})

test('an error of the server or of the command is no denial, and DNS only where a name was asked', () => {
  const dns = curlEnd(6, {errormsg: 'Could not resolve host'})
  const named = {...action('curl'), to: {name: 'x', address: 'one.one.one.one.'}}

  expect(judge(action('curl'), curlEnd(22, {http_code: 403}), 'denied')).toMatchObject({ok: false, cause: 'http'})
  expect(judge(action('curl'), dns, 'denied')).toMatchObject({ok: false, cause: 'dns'})
  expect(judge(named, dns, 'denied')).toEqual({ok: true})
})
