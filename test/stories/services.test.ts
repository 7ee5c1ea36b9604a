/**
 * Stories of services: Kubernetes objects in, entries of the datapath's maps out. A story is a YAML file: `node` and
 * `plan` say where it plays, each step changes objects and says what the maps hold then, sorted, as texts.
 */
import {readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {parse} from 'yaml'
import {MemoryServiceMaps} from '../support/agent/service-maps.ts'
import {ServiceStory, type StoryFile} from '../support/agent/service-story.ts'

const folder = join(import.meta.dirname, 'services')

describe.each(readdirSync(folder).sort())('%s', (file) => {
  const story = parse(readFileSync(join(folder, file), 'utf8')) as StoryFile

  test(story.story, async () => {
    const maps = new MemoryServiceMaps()
    const run = new ServiceStory(story, maps)
    for (const step of story.steps) {
      await run.apply(step)
      if (step.expect !== undefined)
        expect({...run.seen(Object.keys(step.expect))}, step.says ?? '').toEqual(step.expect)
    }
    run.end()
  })
})
