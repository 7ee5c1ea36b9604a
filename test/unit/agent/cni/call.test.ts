import {describe, expect, test} from 'vitest'
import {errorAnswer, parseCall, versionOf} from '../../../../src/agent/cni/call.ts'
import {codes} from '../../../../src/agent/errors.ts'
import {CiliumError} from '../../../../src/runtime/errors.ts'

const environment = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'c0ffee',
  CNI_NETNS: '/var/run/netns/cni-1',
  CNI_IFNAME: 'eth0',
  CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=u-1',
  CNI_PATH: '/opt/cni/bin',
}
const input = JSON.stringify({cniVersion: '1.0.0', name: 'cilium', type: 'cilium-cni'})

function codeOf(variables: Record<string, string>, text = input): string {
  try {
    parseCall({variables: {...environment, ...variables}, input: text})
  } catch (thrown) {
    return (thrown as CiliumError).code
  }
  return 'none'
}

test('an ADD of Kubernetes is read whole', () => {
  expect(parseCall({variables: environment, input})).toEqual({
    command: 'ADD',
    version: '1.0.0',
    containerId: 'c0ffee',
    ifname: 'eth0',
    netns: '/var/run/netns/cni-1',
    pod: {namespace: 'default', name: 'web', uid: 'u-1'},
    networkName: 'cilium',
    previousAddresses: undefined,
    validAttachments: undefined,
  })
})

test('a DEL may come without a namespace', () => {
  expect(parseCall({variables: {...environment, CNI_COMMAND: 'DEL', CNI_NETNS: ''}, input}).netns).toBe('')
})

test('a CHECK brings the addresses that ADD had answered', () => {
  const text = JSON.stringify({
    cniVersion: '1.1.0',
    name: 'cilium',
    prevResult: {ips: [{address: '10.0.0.5/32'}, {address: 'fd00::5/128'}]},
  })

  expect(parseCall({variables: {...environment, CNI_COMMAND: 'CHECK'}, input: text}).previousAddresses).toEqual([
    '10.0.0.5/32',
    'fd00::5/128',
  ])
})

describe('GC', () => {
  const gc = (list: unknown) => JSON.stringify({cniVersion: '1.1.0', name: 'cilium', 'cni.dev/valid-attachments': list})

  test('names what is still wanted', () => {
    const call = parseCall({variables: {CNI_COMMAND: 'GC'}, input: gc([{containerID: 'a', ifname: 'eth0'}])})

    expect(call.validAttachments).toEqual(new Set(['a:eth0']))
  })

  test('an empty list wants nothing, a missing one is an error', () => {
    expect(parseCall({variables: {CNI_COMMAND: 'GC'}, input: gc([])}).validAttachments?.size).toBe(0)
    expect(codeOf({CNI_COMMAND: 'GC'}, gc(undefined))).toBe('CNI_CONFIG_INVALID')
    expect(codeOf({CNI_COMMAND: 'GC'}, gc([{containerID: 'a'}]))).toBe('CNI_CONFIG_INVALID')
  })

  test('null is an empty list in Go, and the name of early runtimes counts when alone', () => {
    const early = (list: unknown) => JSON.stringify({cniVersion: '1.1.0', name: 'cilium', 'cni.dev/attachments': list})
    const valid = (input: string) => parseCall({variables: {CNI_COMMAND: 'GC'}, input}).validAttachments

    expect(valid(gc(null))).toEqual(new Set())
    expect(valid(early([{containerID: 'a', ifname: 'eth0'}]))).toEqual(new Set(['a:eth0']))
  })
})

test.each([
  [{CNI_COMMAND: 'DESTROY'}],
  [{CNI_CONTAINERID: ''}],
  [{CNI_CONTAINERID: '../x'}],
  [{CNI_IFNAME: 'a/b'}],
  [{CNI_IFNAME: '..'}],
  [{CNI_IFNAME: 'a-name-that-is-too-long'}],
  [{CNI_NETNS: ''}],
  [{CNI_NETNS: 'relative'}],
  [{CNI_ARGS: 'K8S_POD_NAME'}],
])('the environment %o is refused', (variables) => {
  expect(codeOf(variables as unknown as Record<string, string>)).toBe('CNI_ENVIRONMENT_INVALID')
})

test.each([['{'], ['[]'], ['null'], ['{"cniVersion":"9.9.9"}'], ['{}']])('the configuration %s is refused', (text) => {
  expect(codeOf({}, text)).toBe('CNI_CONFIG_INVALID')
})

test('errors have the numbers of the specification and our code in their text', () => {
  const answer = JSON.parse(errorAnswer('1.0.0', new CiliumError(codes.IPAM_EXHAUSTED, {family: 'IPv4'})))

  expect(answer).toMatchObject({cniVersion: '1.0.0', code: 11})
  expect(answer.msg).toContain('IPAM_EXHAUSTED no IPv4 address is free')
  expect(JSON.parse(errorAnswer('1.0.0', new Error('boom'))).code).toBe(999)
})

test('the version of a malformed document is guessed', () => {
  expect([versionOf('{"cniVersion":"0.4.0"}'), versionOf('{'), versionOf('{"cniVersion":7}')]).toEqual([
    '0.4.0',
    '1.0.0',
    '1.0.0',
  ])
})
