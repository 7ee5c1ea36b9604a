import {describe, expect, test} from 'vitest'
import {parseUiFlags} from '../../../../src/hubble/ui/options.ts'
import {readRowFilter} from '../../../../src/hubble/ui/row-filter.ts'

describe('the flags of hubble-ui', () => {
  test('have defaults for a cluster', () => {
    expect(parseUiFlags([])).toMatchObject({
      port: 8081,
      baseUrl: '/',
      observer: {target: 'hubble-relay:80', tls: undefined},
    })
  })

  test('are read', () => {
    const flags = ['--listen-address=[::1]:90', '--relay=r:1', '--base-url=a/b', '--allowed-hosts=A,b', '--tls']

    expect(parseUiFlags([...flags, '--tls-server-name=x'])).toMatchObject({
      host: '::1',
      port: 90,
      baseUrl: '/a/b/',
      hosts: ['a', 'b'],
      observer: {target: 'r:1', tls: {serverName: 'x', authorityFile: undefined}},
    })
  })

  test.each([['--nope'], ['x'], ['--listen-address=90'], ['--max-pages=0'], ['--base-url=/"><script>/']])(
    '%s is refused',
    (flag) => {
      expect(() => parseUiFlags([flag])).toThrow('hubble-ui does not take')
    },
  )
})

test.each(['verdict=allowed', 'port=http', 'port=70000', 'verdict=denied,,'])('the filter %s is refused', (query) => {
  expect(() => readRowFilter(new URLSearchParams(query))).toThrow('is no filter')
})
