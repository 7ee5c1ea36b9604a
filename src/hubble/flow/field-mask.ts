/** Leaves in flows only the fields that a client asks for (google.protobuf.FieldMask). */
import {Flow} from '../../api/gen/flow.ts'
import type {MessageType} from '../../api/wire/message.ts'
import {fail} from '../../runtime/errors.ts'
import {FLOW_FILTER_INVALID} from '../filter/errors.ts'

/** By field; undefined: the whole of it. */
type Tree = Map<string, Tree | undefined>

/** @throws FLOW_FILTER_INVALID for a path that no flow has */
export function compileMask(paths: readonly string[] | undefined): ((flow: Flow) => Flow) | undefined {
  if (paths === undefined || paths.length === 0) return undefined
  const tree: Tree = new Map()
  for (const path of paths) add(tree, path, path.split('.'), Flow as MessageType<never>)
  return (flow) => prune(flow as Record<string, unknown>, tree) as Flow
}

function add(tree: Tree, path: string, [name, ...rest]: readonly string[], type: MessageType<never>): void {
  const field = type.fields.find((one) => one.name === name)
  if (field === undefined)
    fail(FLOW_FILTER_INVALID, {field: 'field_mask', detail: `a flow has no field ${JSON.stringify(path)}`})
  if (rest.length === 0) {
    tree.set(name!, undefined)
    return
  }
  if (field.message === undefined) {
    fail(FLOW_FILTER_INVALID, {field: 'field_mask', detail: `nothing lies below ${JSON.stringify(path)}`})
  }
  if (tree.has(name!) && tree.get(name!) === undefined) return
  const below = tree.get(name!) ?? new Map()
  tree.set(name!, below)
  add(below, path, rest, field.message())
}

function prune(value: Record<string, unknown>, tree: Tree): Record<string, unknown> {
  const kept: Record<string, unknown> = {}
  for (const [name, below] of tree) {
    const one = value[name]
    if (one === undefined) continue
    if (below === undefined || typeof one !== 'object' || one === null) kept[name] = one
    else if (Array.isArray(one)) kept[name] = one.map((item) => prune(item as Record<string, unknown>, below))
    else kept[name] = prune(one as Record<string, unknown>, below)
  }
  return kept
}
