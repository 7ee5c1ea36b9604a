/** Namespaces → rows. */
import type {NamespaceRow} from '../state/rows.ts'
import {type Metadata, texts} from './object.ts'

export function namespaceRow({metadata}: {readonly metadata?: Metadata}): NamespaceRow {
  return {name: metadata?.name ?? '', labels: texts(metadata?.labels)}
}
