import {expect, test} from 'vitest'
import {runSteps, type Step} from '../../../src/lab/steps.ts'

const never = new AbortController().signal

test('a step that takes long is told about until it has ended, and a quick one only at its end', async () => {
  let end = () => {}
  const told: string[] = []
  const done: string[] = []
  const steps: Step[] = [
    {title: 'Quick', run: async () => {}},
    {title: 'Slow', run: () => new Promise((resolve) => (end = resolve))},
  ]

  const running = runSteps(steps, never, {
    done: (line) => done.push(line),
    slow: {
      everyMs: 5,
      tell: (line) => {
        told.push(line)
        if (told.length === 2) end()
      },
    },
  })
  await running

  expect(told).toEqual(['Slow: 0 s so far', 'Slow: 0 s so far'])
  expect(done).toEqual([expect.stringMatching(/^Quick: \d+\.\d s$/), expect.stringMatching(/^Slow: /)])
})

test('nothing is told of a step that has failed', async () => {
  const told: string[] = []
  const fails: Step = {title: 'Fails', run: () => Promise.reject(new Error('no room'))}

  await expect(runSteps([fails], never, {slow: {everyMs: 1, tell: (line) => told.push(line)}})).rejects.toThrow(
    'no room',
  )
  await new Promise((resolve) => setTimeout(resolve, 20))

  expect(told).toEqual([])
})
