import {expect, test} from 'vitest'
import {announcement, solicitedNodeGroup} from '../../../../src/agent/l2/announcement.ts'
import {Ip} from '../../../../src/model/ip.ts'
import {Mac} from '../../../../src/model/mac.ts'

const mac = Mac.of('02:00:00:00:ee:01')
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

test('an IPv4 address is announced by a request for itself', () => {
  expect(hex(announcement(Ip.of('192.0.2.10'), mac))).toBe(
    'ffffffffffff' + '02000000ee01' + '0806' + '0001080006040001' + '02000000ee01c000020a' + '000000000000c000020a',
  )
})

test('an IPv6 address is announced to all nodes, with a checksum that receivers accept', () => {
  const frame = announcement(Ip.of('2001:db8::10'), mac)
  let sum = 0
  const words = [...frame.subarray(22, 54), 0, 0, 0, 32, 0, 0, 0, 58, ...frame.subarray(54)]
  for (let i = 0; i < words.length; i += 2) sum += words[i]! * 256 + words[i + 1]!
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)

  expect(sum).toBe(0xffff)
  expect(hex(frame.subarray(0, 14))).toBe('333300000001' + '02000000ee01' + '86dd')
  expect(frame.subarray(54, 62)).toEqual(Uint8Array.from([136, 0, frame[56]!, frame[57]!, 0x20, 0, 0, 0]))
})

test('questions about an IPv6 address come in the group of its last three bytes', () => {
  expect(String(Ip.fromBytes(solicitedNodeGroup(Ip.of('2001:db8::12:3456'))))).toBe('ff02::1:ff12:3456')
})
