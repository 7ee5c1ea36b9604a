import type {Style} from '../render/style.ts'
import {table} from '../render/table.ts'
import {clean} from '../render/text.ts'
import type {ServiceList} from './list.ts'

/** One row a frontend; what differs on a node stands below it. */
export function serviceListText({services, silent}: ServiceList, style: Style): string {
  const rows = services.flatMap(({namespace, name, frontend, type, desired, realised, differences}) => {
    const nodes = `${realised.length}/${realised.length + differences.length}`
    const line = [`${namespace}/${name}`, frontend, type, String(desired.length), nodes, '']
    return [
      line.map(clean),
      ...differences.map(({node, text}) => ['', '', '', '', style.bad(clean(node)), style.bad(clean(text))]),
    ]
  })
  const head = ['SERVICE', 'FRONTEND', 'TYPE', 'BACKENDS', 'NODES', 'DIFFERENCE']
  const notes = silent.map(({node, error}) => `${style.bad('not asked')} ${clean(node)}: ${clean(error)}\n`)
  return `${table([head, ...rows])}\n${notes.join('')}`
}
