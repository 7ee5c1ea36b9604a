import fc from 'fast-check'
import {expect, test} from 'vitest'
import * as ports from '../../../src/model/port.ts'

test('protocol names are read in any case and written as people know them', () => {
  expect(['TCP', 'udp', 'ICMPv6', 'SCTP', 'any', 'icmp'].map(ports.parseProtocol)).toEqual([
    'tcp',
    'udp',
    'icmpv6',
    'sctp',
    'any',
    'icmp',
  ])
  expect(ports.parseProtocol('toString')).toBeUndefined()
  expect([0, 1, 6, 58, 132, 47].map(ports.protocolLabel)).toEqual(['ANY', 'ICMP', 'TCP', 'ICMPv6', 'SCTP', '47'])
  expect([17, 47].map(ports.protocolName)).toEqual(['udp', '47'])
  expect([6, 17, 132, 1, 58, 0].map(ports.hasPorts)).toEqual([true, true, true, false, false, false])
})

test('ports are plain decimal numbers', () => {
  expect(['1', '80', '65535'].map((text) => ports.parsePort(text))).toEqual([1, 80, 65535])
  expect(['0', '65536', '-1', '+1', '080', '8e1', '', ' 80', '99999'].map((text) => ports.parsePort(text))).toEqual(
    Array(9).fill(undefined),
  )
  expect(ports.parsePort('0', {zero: true})).toBe(0)
})

test('port names follow RFC 6335', () => {
  expect(['http', 'h2', 'a', 'dns-tcp', '8080-web'].every(ports.isPortName)).toBe(true)
  expect(['80', '', '-a', 'a-', 'a--b', 'HTTP', 'abcdefghijklmnop', 'a_b'].some(ports.isPortName)).toBe(false)
})

test('ranges are read, written and checked', () => {
  expect(ports.formatPortRange(ports.parsePortRange('80')!)).toBe('80')
  expect(ports.formatPortRange(ports.parsePortRange('8000-8080')!)).toBe('8000-8080')
  expect(['80-79', '1-2-3', '-80', '80-', 'a', '0-5'].map(ports.parsePortRange)).toEqual(Array(6).fill(undefined))
  expect(() => ports.portRange(5, 4)).toThrow(RangeError)
  expect(() => ports.portRange(-1)).toThrow(RangeError)
  expect(ports.portRange(53)).toEqual({first: 53, last: 53})
})

test('a range becomes the fewest prefix blocks that are exactly it', () => {
  expect(ports.portPrefixes(ports.allPorts)).toEqual([{port: 0, bits: 0}])
  expect(ports.portPrefixes(ports.portRange(80))).toEqual([{port: 80, bits: 16}])
  expect(ports.portPrefixes(ports.portRange(1, 65534))).toHaveLength(30)
  fc.assert(
    fc.property(fc.integer({min: 0, max: 65535}), fc.integer({min: 0, max: 65535}), (a, b) => {
      const range = ports.portRange(Math.min(a, b), Math.max(a, b))
      let next = range.first
      for (const {port, bits} of ports.portPrefixes(range)) {
        const size = 1 << (16 - bits)
        expect(port).toBe(next)
        expect(port % size).toBe(0)
        next = port + size
      }
      expect(next).toBe(range.last + 1)
    }),
  )
})
