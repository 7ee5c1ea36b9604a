import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {parse} from 'yaml'
import {runStory, type StoryFile} from '../../support/agent/story.ts'

const files = readdirSync(import.meta.dirname).filter((name) => name.endsWith('.yaml'))

describe.each(files)('%s', (name) => {
  const story = parse(readFileSync(join(import.meta.dirname, name), 'utf8')) as StoryFile

  test(story.title, async () => {
    let steps = 0
    await runStory(story, (step, dump) => {
      steps++
      for (const [what, expected] of Object.entries(step.expect)) {
        const got = dump[what as keyof typeof dump]
        expect(`${step.does}\n${got.trim()}`, `${what} after: ${step.does}`).toBe(
          `${step.does}\n${String(expected).trim()}`,
        )
      }
    })
    expect(steps).toBe(story.steps.length)
  })
})
