import {describe, expect, test} from 'vitest'
import {CiliumError, declareErrors} from '../../../src/runtime/errors.ts'
import {createLog, type LogFormat, silentLog} from '../../../src/runtime/log.ts'
import {MemorySink} from '../../../src/runtime/log-sink.ts'
import {FakeClock} from '../../support/fake-clock.ts'

const {TEST_BROKEN} = declareErrors({TEST_BROKEN: {what: 'part {part} is broken', advice: 'mend it'}})

function setUp(format: LogFormat = 'logfmt') {
  const clock = new FakeClock()
  const sink = new MemorySink()
  const log = createLog({sink, clock, format})
  return {clock, log, lines: sink.lines}
}

describe('the form of a line', () => {
  test('logfmt, quoted where needed', () => {
    const {log, lines} = setUp()
    log
      .for('ipam', {node: 'n1'})
      .info('address given', {ip: '10.0.0.1', pod: 'a b', n: 5, big: 7n, none: undefined, nil: null})
    expect(lines).toEqual([
      'time=2030-01-01T00:00:00.000Z level=info msg="address given" subsys=ipam node=n1 ip=10.0.0.1 pod="a b" n=5 big=7 nil=null',
    ])
  })

  test('JSON', () => {
    const {log, lines} = setUp('json')
    log.warn('careful', {list: ['a', 1], when: new Date(0), map: {x: 1n}})
    expect(JSON.parse(lines[0]!)).toEqual({
      time: '2030-01-01T00:00:00.000Z',
      level: 'warn',
      msg: 'careful',
      list: '["a",1]',
      when: '1970-01-01T00:00:00.000Z',
      map: '{"x":"1"}',
    })
  })

  test('an error has its code, its message and its causes', () => {
    const {log, lines} = setUp()
    const error = new CiliumError(TEST_BROKEN, {part: 'lever'}, {cause: new Error('rust', {cause: new Error('water')})})
    log.error('cannot go on', {error})
    log.error('odd', {error: 'just text'})
    expect(lines[0]).toContain('code=TEST_BROKEN error="part lever is broken" cause="rust: water"')
    expect(lines[1]).toContain('error="just text"')
  })

  test('control characters, quotes and odd names cannot break the line', () => {
    for (const format of ['logfmt', 'json'] as const) {
      const {log, lines} = setUp(format)
      log.info('a\nlevel=error msg="forged"', {'we ird': 'x\u001b[31m"\u2028', time: 'mine', esc: '\u009b'})
      expect(lines).toHaveLength(1)
      expect(/[\u0000-\u001f\u007f-\u009f\u2028]/.test(lines[0]!)).toBe(false)
      expect(lines[0]).toContain('2030-01-01')
    }
  })

  test('secrets do not appear, wherever they hide', () => {
    const {log, lines} = setUp()
    const jwt = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl'
    log.info('request', {token: 'abc', url: `https://u:pw1234@h/?t=${jwt}`, header: {authorization: 'Bearer abcdefgh'}})
    log.error('failed', {error: new Error(`401 for Bearer ${jwt}`, {cause: new Error(`sent ${jwt}`)})})
    expect(lines.join('\n')).not.toMatch(/abc|pw1234|eyJ/)
  })
})

describe('levels', () => {
  test('can be changed while it runs', () => {
    const {log, lines} = setUp()
    const part = log.for('x')
    part.debug('hidden')
    log.setLevel('debug')
    part.debug('shown')
    log.setLevel('error')
    part.warn('hidden')
    part.info('hidden')
    part.error('shown')

    expect(lines).toHaveLength(2)
    expect([part.enabled('warn'), part.enabled('error'), log.level]).toEqual([false, true, 'error'])
  })

  test('the silent log says nothing and can be used like any other', () => {
    const part = silentLog.for('x')
    part.debug('')
    part.info('')
    part.warn('')
    part.error('')
    expect(part.enabled('error')).toBe(false)
  })
})

describe('repetition', () => {
  test('the same event is written at most once a second, and the next line says how many were left out', async () => {
    const {clock, log, lines} = setUp()
    for (let i = 0; i < 50; i++) {
      log.warn('map is full', {n: i})
      await clock.advance(10)
    }
    await clock.advance(1500)

    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/n=0$/)
    expect(lines[1]).toMatch(/n=49 suppressed=48$/)
  })

  test('a flood over ten seconds gives about ten lines that account for every event', async () => {
    const {clock, log, lines} = setUp()
    for (let i = 0; i < 1000; i++) {
      log.warn('map is full')
      await clock.advance(10)
    }
    log.flush()

    const suppressed = lines.reduce((sum, line) => sum + Number(/suppressed=(\d+)/.exec(line)?.[1] ?? 0), 0)
    expect(lines.length).toBeLessThanOrEqual(12)
    expect(lines.length + suppressed).toBe(1000)
  })

  test('different things are not mistaken for repetitions', () => {
    const {log, lines} = setUp()
    log.info('endpoint created', {id: 1}, {per: 1})
    log.info('endpoint created', {id: 2}, {per: 2})
    log.warn('endpoint created', {id: 2}, {per: 2})
    log.for('other').info('endpoint created', {}, {per: 1})
    log.error('failed', {error: new CiliumError(TEST_BROKEN, {part: 'a'})})
    log.error('failed', {error: new CiliumError('INTERNAL', {detail: 'b'})})
    expect(lines).toHaveLength(6)
  })

  test('nothing is kept for events that are over', async () => {
    const {clock, log} = setUp()
    log.info('once')
    await clock.advance(5000)
    expect(clock.pending).toBe(0)
  })

  test('what was held back is written by a flush', () => {
    const {log, lines} = setUp()
    log.info('x')
    log.info('x')
    log.flush()
    expect(lines).toHaveLength(2)
  })
})

test('lines are counted per level and part', () => {
  const seen: string[] = []
  const log = createLog({sink: new MemorySink(2), observe: (level, subsystem) => seen.push(`${level} ${subsystem}`)})
  log.for('bpf').warn('a')
  log.error('b')
  expect(seen).toEqual(['warn bpf', 'error '])
})
