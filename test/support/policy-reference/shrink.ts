/** Makes a world that shows a difference smaller, as long as it still does. */
import type {World} from './world.ts'

export function shrink(world: World, shows: (candidate: World) => boolean): World {
  let best = world
  for (let round = 0, progress = true; progress && round < 20; round++) {
    progress = false
    for (const candidate of smaller(best)) {
      if (!shows(candidate)) continue
      best = candidate
      progress = true
      break
    }
  }
  return best
}

function* smaller(world: World): Generator<World> {
  for (const policies of without(world.policies)) yield {...world, policies}
  for (const policies of edits(world.policies)) yield {...world, policies: policies as World['policies']}
  if (world.cidrGroups.length > 0) yield {...world, cidrGroups: []}
  if (world.services.length > 0) yield {...world, services: []}
  if (world.mode !== 'default') yield {...world, mode: 'default'}
}

function* without<T>(list: readonly T[]): Generator<T[]> {
  for (let i = 0; i < list.length; i++) yield list.filter((_, at) => at !== i)
}

/** Every way to leave one list item or one field out, anywhere inside. */
function* edits(value: unknown): Generator<unknown> {
  if (Array.isArray(value)) {
    if (value.length > 1) yield* without(value)
    for (const [i, item] of value.entries()) {
      for (const edit of edits(item)) yield value.map((other, at) => (at === i ? edit : other))
    }
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value)
    for (const [key] of entries) {
      if (key === 'kind' || key === 'metadata' || key === 'spec') continue
      yield Object.fromEntries(entries.filter(([other]) => other !== key))
    }
    for (const [key, inner] of entries) {
      if (key === 'metadata') continue
      for (const edit of edits(inner)) yield {...value, [key]: edit}
    }
  }
}
