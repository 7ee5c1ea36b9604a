/**
 * Where cards stand: callers left of what they call, in columns, with few crossings. The same map gives the same
 * picture. Pure.
 *
 *   1 a cycle is cut where a search by name meets its own path; 2 a card's column is the longest way to it;
 *   3 columns are ordered by the middle of neighbours, forth and back; 4 a column that is too high becomes several, and a long
 *   chain of low ones stands one below the other;
 *   5 each card goes to the height of its neighbours as far as the others leave room.
 */
export interface Box {
  readonly id: string
  readonly width: number
  readonly height: number
}

export interface Arrow {
  readonly from: string
  readonly to: string
}

export interface Place {
  readonly x: number
  readonly y: number
}

export interface Layout {
  readonly places: ReadonlyMap<string, Place>
  readonly width: number
  readonly height: number
}

export interface Gaps {
  readonly x: number
  readonly y: number
}

/** between the parts of a column that became several */
const gapPart = 36
const sweeps = 8
/** of screens, about */
const aspect = 2.4
const heightLeast = 720

export function layOut(boxes: readonly Box[], arrows: readonly Arrow[], gaps: Gaps): Layout {
  const byId = new Map([...boxes].sort((a, b) => (a.id < b.id ? -1 : 1)).map((box) => [box.id, box]))
  const real = arrows.filter(({from, to}) => from !== to && byId.has(from) && byId.has(to))
  const targets = neighbours(byId.keys(), real, 'from', 'to')
  const forward = withoutCycles([...byId.keys()], targets)
  const callers = neighbours(byId.keys(), forward, 'to', 'from')
  const callees = neighbours(byId.keys(), forward, 'from', 'to')
  const columns = order(columnsOf([...byId.keys()], callers), callers, callees)
  const area = boxes.reduce((sum, {height, width}) => sum + (height + gaps.y) * (width + gaps.x), 0)
  const heightMax = Math.max(heightLeast, Math.sqrt(area / aspect))
  return coordinates(together(columns, byId, heightMax, gaps), byId, {callers, callees}, heightMax, gaps)
}

type Neighbours = ReadonlyMap<string, readonly string[]>

function neighbours(ids: Iterable<string>, arrows: readonly Arrow[], of: keyof Arrow, what: keyof Arrow): Neighbours {
  const found = new Map<string, Set<string>>([...ids].map((id) => [id, new Set()]))
  for (const arrow of arrows) found.get(arrow[of])!.add(arrow[what])
  return new Map([...found].map(([id, set]) => [id, [...set].sort()]))
}

/** Depth first, from those that nobody calls; an arrow back to the path is left out. */
function withoutCycles(ids: readonly string[], targets: Neighbours): Arrow[] {
  const called = new Set([...targets.values()].flat())
  const starts = [...ids.filter((id) => !called.has(id)), ...ids]
  const state = new Map<string, 'on the path' | 'done'>()
  const kept: Arrow[] = []
  for (const start of starts) {
    if (state.has(start)) continue
    state.set(start, 'on the path')
    const path = [{id: start, next: 0}]
    while (path.length > 0) {
      const at = path.at(-1)!
      const to = targets.get(at.id)![at.next++]
      if (to === undefined) {
        state.set(at.id, 'done')
        path.pop()
        continue
      }
      if (state.get(to) === 'on the path') continue
      kept.push({from: at.id, to})
      if (state.has(to)) continue
      state.set(to, 'on the path')
      path.push({id: to, next: 0})
    }
  }
  return kept
}

/** Ids by column. */
function columnsOf(ids: readonly string[], callers: Neighbours): string[][] {
  const column = new Map<string, number>()
  const visit = (start: string) => {
    const stack = [start]
    while (stack.length > 0) {
      const id = stack.at(-1)!
      const waiting = callers.get(id)!.filter((caller) => !column.has(caller))
      if (waiting.length > 0) {
        stack.push(...waiting)
        continue
      }
      stack.pop()
      if (!column.has(id)) column.set(id, Math.max(-1, ...callers.get(id)!.map((caller) => column.get(caller)!)) + 1)
    }
  }
  for (const id of ids) visit(id)
  const columns: string[][] = []
  for (const id of ids) {
    const at = column.get(id)!
    const list = columns[at] ?? []
    columns[at] = list
    list.push(id)
  }
  return columns
}

/** Columns with the cards that belong together beside each other. */
function order(columns: string[][], callers: Neighbours, callees: Neighbours): string[][] {
  const at = new Map<string, number>()
  const number = (column: readonly string[]) => {
    for (const [index, id] of column.entries()) at.set(id, index / column.length)
  }
  columns.forEach(number)
  for (let sweep = 0; sweep < sweeps; sweep++) {
    const back = sweep % 2 === 1
    const others = back ? callees : callers
    const turn = back ? [...columns.keys()].reverse() : [...columns.keys()]
    for (const index of turn) {
      const column = columns[index]!
      const middle = new Map(
        column.map((id) => [id, mean(others.get(id)!.map((other) => at.get(other)!)) ?? at.get(id)!]),
      )
      columns[index] = column.toSorted((a, b) => middle.get(a)! - middle.get(b)! || (a < b ? -1 : 1))
      number(columns[index]!)
    }
  }
  return columns
}

function coordinates(
  columns: readonly (readonly string[])[],
  boxes: ReadonlyMap<string, Box>,
  {callers, callees}: {readonly callers: Neighbours; readonly callees: Neighbours},
  heightMax: number,
  gaps: Gaps,
): Layout {
  const places = new Map<string, Place>()
  const whole: string[][] = []
  let x = 0
  for (const column of columns) {
    const parts = split(column, boxes, heightMax, gaps)
    for (const part of parts) {
      const heights = part.map((id) => boxes.get(id)!.height)
      const ys = stack(
        heights.map((_, index) => index * 50),
        heights,
        gaps.y,
      )
      for (const [index, id] of part.entries()) places.set(id, {x, y: ys[index]!})
      x += Math.max(...part.map((id) => boxes.get(id)!.width)) + gapPart
      // cards of one part are held together; a column in several parts stands as it is
      whole.push(part)
    }
    x += gaps.x - gapPart
  }
  for (let round = 0; round < 6; round++) {
    const turn = round % 2 === 0 ? whole : [...whole].reverse()
    for (const part of turn) {
      const heights = part.map((id) => boxes.get(id)!.height)
      const wanted = part.map((id, index) => {
        const others = [...callers.get(id)!, ...callees.get(id)!]
        const middle = mean(others.map((other) => places.get(other)!.y + boxes.get(other)!.height / 2))
        return middle === undefined ? places.get(id)!.y : middle - heights[index]! / 2
      })
      const ys = stack(wanted, heights, gaps.y)
      for (const [index, id] of part.entries()) places.set(id, {x: places.get(id)!.x, y: ys[index]!})
    }
  }
  const top = Math.min(0, ...[...places.values()].map(({y}) => y))
  let height = 0
  for (const [id, place] of places) {
    places.set(id, {x: place.x, y: place.y - top})
    height = Math.max(height, place.y - top + boxes.get(id)!.height)
  }
  return {places, width: Math.max(0, x - gaps.x), height}
}

/** Columns that together are no higher than allowed become one, where there are more than a screen is wide. */
function together(
  columns: readonly (readonly string[])[],
  boxes: ReadonlyMap<string, Box>,
  heightMax: number,
  gaps: Gaps,
): readonly (readonly string[])[] {
  const width = columns.reduce((sum, column) => sum + Math.max(...column.map((id) => boxes.get(id)!.width)) + gaps.x, 0)
  if (width <= heightMax * aspect * 1.5) return columns
  const heightOf = (column: readonly string[]) => column.reduce((sum, id) => sum + boxes.get(id)!.height + gaps.y, 0)
  const joined: string[][] = []
  let height = Number.POSITIVE_INFINITY
  for (const column of columns) {
    const own = heightOf(column)
    if (height + own > heightMax) {
      joined.push([...column])
      height = own
    } else {
      joined.at(-1)!.push(...column)
      height += own
    }
  }
  return joined
}

function split(column: readonly string[], boxes: ReadonlyMap<string, Box>, heightMax: number, gaps: Gaps): string[][] {
  const all = column.reduce((sum, id) => sum + boxes.get(id)!.height + gaps.y, 0)
  const parts = Math.max(1, Math.ceil(all / heightMax))
  const each = Math.ceil(column.length / parts)
  return Array.from({length: Math.ceil(column.length / each)}, (_, index) =>
    column.slice(index * each, (index + 1) * each),
  )
}

/** The heights nearest to the wanted ones at which boxes in this order do not touch (pool of adjacent violators). */
function stack(wanted: readonly number[], heights: readonly number[], gap: number): number[] {
  const blocks: {sum: number; count: number; offset: number[]; height: number}[] = []
  for (const [index, want] of wanted.entries()) {
    let block = {sum: want, count: 1, offset: [0], height: heights[index]! + gap}
    for (;;) {
      const before = blocks.at(-1)
      if (before === undefined || before.sum / before.count + before.height <= block.sum / block.count) break
      blocks.pop()
      block = {
        sum: before.sum + block.sum - before.height * block.count,
        count: before.count + block.count,
        offset: [...before.offset, ...block.offset.map((offset) => offset + before.height)],
        height: before.height + block.height,
      }
    }
    blocks.push(block)
  }
  return blocks.flatMap(({sum, count, offset}) => offset.map((one) => sum / count + one))
}

function mean(numbers: readonly number[]): number | undefined {
  return numbers.length === 0 ? undefined : numbers.reduce((sum, one) => sum + one, 0) / numbers.length
}
