import {describe, expect, test} from 'vitest'
import {CiliumError, hasCode} from '../../../src/runtime/errors.ts'
import {Lifecycle, type Part} from '../../../src/runtime/lifecycle.ts'
import {createLog} from '../../../src/runtime/log.ts'
import {MemorySink} from '../../../src/runtime/log-sink.ts'
import {settle} from '../../support/fake-clock.ts'

function setUp(parts: Partial<Part & {bad: 'start' | 'stop'}>[]) {
  const events: string[] = []
  const sink = new MemorySink()
  const lifecycle = new Lifecycle({log: createLog({sink})})
  for (const part of parts) {
    const name = part.name ?? 'part'
    lifecycle.add({
      name,
      start: async () => {
        events.push(`start ${name}`)
        if (part.bad === 'start') throw new Error(`${name} is bad`)
      },
      stop: async () => {
        events.push(`stop ${name}`)
        if (part.bad === 'stop') throw new Error(`${name} does not want to`)
      },
      ...part,
    })
  }
  return {lifecycle, events, lines: sink.lines}
}

describe('order', () => {
  test('starts in order, stops in reverse, once', async () => {
    const {lifecycle, events} = setUp([{name: 'a'}, {name: 'b'}])
    await lifecycle.start()
    await Promise.all([lifecycle.stop(), lifecycle.stop()])
    expect(events).toEqual(['start a', 'start b', 'stop b', 'stop a'])
    expect(lifecycle.signal.aborted).toBe(true)
  })

  test('parts need neither verb', async () => {
    const lifecycle = new Lifecycle()
    lifecycle.add({name: 'passive'})
    await lifecycle.start()
    await lifecycle.stop()
  })
})

describe('failure', () => {
  test('when one does not start, those before it (and its own half) are stopped and its error is thrown', async () => {
    const {lifecycle, events} = setUp([{name: 'a'}, {name: 'b', bad: 'start'}, {name: 'c'}])
    const error = await lifecycle.start().catch((thrown: unknown) => thrown)
    expect(events).toEqual(['start a', 'start b', 'stop b', 'stop a'])
    expect(hasCode(error, 'INTERNAL') && error.message).toContain('b is bad')
  })

  test('one that takes too long fails with a code', async () => {
    const {lifecycle} = setUp([{name: 'slow', startTimeoutMs: 5, start: () => new Promise(() => {})}])
    const error = await lifecycle.start().catch((thrown: unknown) => thrown)
    expect(hasCode(error, 'START_FAILED') && error.message).toBe('slow did not start: not done after 5 ms')
  })

  test('one that does not stop keeps nobody else from stopping', async () => {
    const {lifecycle, events, lines} = setUp([
      {name: 'a'},
      {name: 'bad', bad: 'stop'},
      {name: 'stuck', stopTimeoutMs: 5, stop: () => new Promise(() => {})},
    ])
    await lifecycle.start()
    await lifecycle.stop()
    expect(events.at(-1)).toBe('stop a')
    expect(lines.join('\n')).toMatch(/code=STOP_TIMEOUT(.*\n)*.*bad does not want to/)
  })

  test('run ends with the first error that no part can live with', async () => {
    const {lifecycle, events} = setUp([{name: 'a'}])
    const running = lifecycle.run()
    await settle()
    lifecycle.fail(new CiliumError('INTERNAL', {detail: 'first'}))
    lifecycle.fail(new Error('second'))
    const error = await running
    expect(error?.message).toBe('internal error: first')
    expect(events).toEqual(['start a', 'stop a'])
  })

  test('run reports a failed start', async () => {
    const {lifecycle} = setUp([{name: 'a', bad: 'start'}])
    expect((await lifecycle.run())?.message).toContain('a is bad')
  })
})

test('a signal stops the parts and is no error', async () => {
  const {lifecycle, events} = setUp([{name: 'a'}])
  const running = lifecycle.run()
  await settle()
  process.emit('SIGTERM', 'SIGTERM')
  expect(await running).toBeUndefined()
  expect(events).toEqual(['start a', 'stop a'])
})

test('a stop during the start ends the start', async () => {
  const {lifecycle, events} = setUp([{name: 'a', start: () => lifecycle.stop()}, {name: 'b'}])
  await lifecycle.start()
  expect(events).toEqual(['stop a'])
})
