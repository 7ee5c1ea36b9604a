/** CiliumIdentities → rows. */
import {heartbeatAnnotation, identity} from '../../model/identity.ts'
import {LabelSet} from '../../model/labels.ts'
import type {IdentityRow} from '../state/rows.ts'
import {type Metadata, texts} from './object.ts'

export interface CiliumIdentityObject {
  readonly metadata?: Metadata
  readonly 'security-labels'?: Readonly<Record<string, string>> | null
}

/** @returns undefined when its name is not a number that identities have */
export function identityRow(object: CiliumIdentityObject): IdentityRow | undefined {
  const name = object.metadata?.name ?? ''
  const number = /^[1-9]\d{0,7}$/.test(name) ? Number(name) : 0
  if (number < 256 || number > 0xffffff) return undefined
  const marked = object.metadata?.annotations?.[heartbeatAnnotation] !== undefined
  const labels = LabelSet.fromSecurityLabels(texts(object['security-labels']))
  return {id: identity(number), labels, ...(marked ? {marked} : {})}
}
