import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import {exemptCidrs, MasqueradeExemptions} from '../../../../src/agent/node/masquerade-exemptions.ts'
import {silentLog} from '../../../../src/runtime/log.ts'
import {FakeClock} from '../../../support/fake-clock.ts'

const texts = (text: string | undefined) => exemptCidrs(text).map(String)
const linkLocal = ['169.254.0.0/16', 'fe80::/10']

describe('destinations that are not masqueraded', () => {
  test.each([[undefined], [''], ['# nothing\n']])('are the private ranges when %j is all that is said', (text) => {
    expect(texts(text)).toEqual(expect.arrayContaining(['10.0.0.0/8', '240.0.0.0/4', ...linkLocal]))
    expect(texts(text)).toHaveLength(13)
  })

  test('are exactly those that are named, and link-local ones', () => {
    expect(texts('nonMasqueradeCIDRs: [192.0.2.0/24, "2001:db8::/32"]')).toEqual([
      '192.0.2.0/24',
      '2001:db8::/32',
      ...linkLocal,
    ])
    expect(texts('nonMasqueradeCIDRs: []')).toEqual(linkLocal)
    expect(texts('{"masqLinkLocal": true, "masqLinkLocalIPv6": true}')).toEqual([])
  })

  test.each([
    ['nonMasqueradeCIDRs: 10.0.0.0/8', 'nonMasqueradeCIDRs is no list'],
    ['nonMasqueradeCIDRs: [ten]', '"ten" is no CIDR'],
    ['nonMasqueradeCIDRs: [7]', '7 is no CIDR'],
    ['masqLinkLocal: perhaps', 'masqLinkLocal is neither true nor false'],
    ['[10.0.0.0/8]', 'it is no mapping'],
    ['a: [', 'cannot be followed'],
  ])('are not guessed from %s', (text, detail) => {
    expect(() => texts(text)).toThrow(detail)
  })
})

describe('the file', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ip-masq-'))
  })
  afterEach(() => rmSync(folder, {recursive: true}))

  test('is followed when it changes, and keeps its word while it cannot be read', async () => {
    const clock = new FakeClock()
    const path = join(folder, 'ip-masq-agent')
    const applied: string[][] = []
    const exemptions = new MasqueradeExemptions({
      path,
      clock,
      log: silentLog,
      apply: (cidrs) => applied.push(cidrs.map(String)),
    })

    exemptions.start()
    for (const text of ['nonMasqueradeCIDRs: [10.0.0.0/8]', 'nonMasqueradeCIDRs: [', 'nonMasqueradeCIDRs: []']) {
      writeFileSync(path, text)
      await clock.advance(5_000)
      await clock.advance(5_000)
    }
    exemptions.stop()

    expect(applied.map(({length}) => length)).toEqual([13, 3, 2])
    expect(applied[1]).toEqual(['10.0.0.0/8', ...linkLocal])
  })
})
