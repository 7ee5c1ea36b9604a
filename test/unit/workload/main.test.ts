import {expect, test} from 'vitest'
import {parseWorkloadFlags} from '../../../src/workload/main.ts'

test('without flags a workload serves HTTP on its default port', () => {
  expect(parseWorkloadFlags([], 8191)).toMatchObject({http: [8191], tcpEcho: [], udpEcho: [], dns: []})
})

test('each flag may be given several times, and asking for one server starts no other', () => {
  const plan = parseWorkloadFlags(['--udp-echo', '9000', '--udp-echo', '9001'])

  expect(plan).toMatchObject({http: [], udpEcho: [9000, 9001]})
})

test('records of one name are collected over both families', () => {
  const {zone} = parseWorkloadFlags(['--dns', '53', '--record', 'A.test=192.0.2.1', '--record', 'a.test=2001:db8::1'])

  expect(zone.get('a.test')).toEqual(['192.0.2.1', '2001:db8::1'])
})

test.each([
  [['--http', '0']],
  [['--http', '65536']],
  [['--dns', 'x']],
  [['--record', 'a.test']],
  [['--record', '=192.0.2.1']],
])('%j is refused with the flag named', (argv) => {
  expect(() => parseWorkloadFlags(argv)).toThrow(expect.objectContaining({code: 'WORKLOAD_FLAG_INVALID'}))
})
