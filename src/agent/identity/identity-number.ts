/** Which number the identity of a set of labels gets, and what to say when there is none left. Pure. */
import {createHash} from 'node:crypto'
import {type Identity, type IdentityRange, identity} from '../../model/identity.ts'
import type {LabelSet} from '../../model/labels.ts'

/**
 * The numbers to try for these labels, best first: every number of the range once, in an order that the hash of the
 * labels gives. All agents try the same order, so two that create the same labels at once meet at the same name, and
 * the API server lets one of them win.
 */
export function* candidateNumbers(labels: LabelSet, range: IdentityRange): Generator<Identity> {
  const digest = createHash('sha256').update(labels.canonical).digest()
  const size = range.last - range.first + 1
  const start = digest.readUInt32BE(0) % size
  let stride = 1 + (digest.readUInt32BE(4) % (size - 1))
  while (greatestCommonDivisor(stride, size) !== 1) stride = stride === size - 1 ? 1 : stride + 1
  for (let i = 0, at = start; i < size; i++, at = (at + stride) % size) yield identity(range.first + at)
}

/** Hex SHA-256 of the labels, as the API shows it. */
export function labelsSha256(labels: LabelSet): string {
  return createHash('sha256').update(labels.canonical).digest('hex')
}

/** The label key with the most values among identities: excluding it frees most numbers. */
export function busiestLabel(all: Iterable<LabelSet>): {readonly key: string; readonly values: number} | undefined {
  const valuesByKey = new Map<string, Set<string>>()
  for (const labels of all) {
    for (const label of labels) {
      const values = valuesByKey.get(label.key)
      if (values === undefined) valuesByKey.set(label.key, new Set([label.value]))
      else values.add(label.value)
    }
  }
  let best: {key: string; values: number} | undefined
  for (const [key, {size: values}] of valuesByKey) {
    if (best === undefined || values > best.values || (values === best.values && key < best.key)) best = {key, values}
  }
  return best
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
