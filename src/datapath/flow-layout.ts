/**
 * How struct flow differs between two builds: the fields that both have, as runs of bytes. Read from the types that the
 * kernel keeps with the running programs, so that a build can take flows over from a newer one as well as from an older.
 */
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {readBtf, readProgramInfo} from '../kernel/bpf/info.ts'
import {Btf} from '../kernel/btf.ts'
import {declareErrors, fail} from '../runtime/errors.ts'
import {LAYOUT_RUNS_MAX} from './gen/constants.ts'

const codes = declareErrors({
  DATAPATH_LAYOUT: {
    what: 'flows of the running datapath cannot be taken over: {detail}',
    advice: 'the running datapath stays in place; upgrade by way of a version in between, or drain the node',
  },
})

/** Bytes that stand at `from` in the layout before and at `to` in the new one. */
export interface LayoutRun {
  readonly from: number
  readonly to: number
  readonly bytes: number
}

export interface FlowField {
  readonly name: string
  readonly offset: number
  readonly bytes: number
}

/** Fields of struct flow as a program in the kernel has them. @throws DATAPATH_LAYOUT */
export function flowFieldsOfProgram(program: number): FlowField[] {
  const {btfId} = readProgramInfo(program)
  if (btfId === 0) return fail(codes.DATAPATH_LAYOUT, {detail: 'its programs carry no types'})
  return flowFields(new Btf(readBtf(btfId)))
}

/** Fields of struct flow as this build's objects have them. @throws DATAPATH_LAYOUT */
export function flowFieldsOfObject(folder: string): FlowField[] {
  return flowFields(Btf.fromObject(readFileSync(join(folder, 'expiry.o'))))
}

function flowFields(btf: Btf): FlowField[] {
  const id = btf.find('struct', 'flow')
  const type = id === undefined ? undefined : btf.get(id)
  if (type?.kind !== 'struct') return fail(codes.DATAPATH_LAYOUT, {detail: 'there is no struct flow among its types'})
  return type.members.map((member) => ({
    name: member.name,
    offset: member.bitOffset / 8,
    bytes: btf.sizeOf(member.type),
  }))
}

/**
 * The fewest runs that copy every field that both have, in the order of the new layout. Padding is nobody's.
 *
 * @throws DATAPATH_LAYOUT when a field has changed its size, `expires` does not come first, or it takes too many runs
 */
export function layoutRuns(before: readonly FlowField[], after: readonly FlowField[]): LayoutRun[] {
  const known = new Map(before.map((field) => [field.name, field]))
  const runs: LayoutRun[] = []
  for (const {name, offset: to, bytes} of after) {
    const old = known.get(name)
    if (old === undefined || /^pad\d*$/.test(name)) continue
    if (old.bytes !== bytes)
      fail(codes.DATAPATH_LAYOUT, {detail: `${name} has ${bytes} bytes, and had ${old.bytes}: rename what changes`})
    const last = runs.at(-1)
    const follows = last !== undefined && old.offset === last.from + last.bytes && to === last.to + last.bytes
    if (follows) runs[runs.length - 1] = {...last, bytes: last.bytes + bytes}
    else runs.push({from: old.offset, to, bytes})
  }
  const [first] = runs
  if (first === undefined || first.from !== 0 || first.to !== 0 || known.get('expires')?.offset !== 0)
    fail(codes.DATAPATH_LAYOUT, {detail: 'expires is not the first field of both'})
  if (runs.length > LAYOUT_RUNS_MAX) fail(codes.DATAPATH_LAYOUT, {detail: `it takes ${runs.length} runs of bytes`})
  return runs
}
