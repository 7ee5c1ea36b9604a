/**
 * Numbers of CIDR classes, made from what the class is: an agent that starts again gives the same numbers without
 * having to remember them, so that the addresses and sets that it finds in the maps still fit together.
 */
import {createHash} from 'node:crypto'
import type {ClassNumbers} from '../../policy/cidr-classes.ts'

export class HashedNumbers implements ClassNumbers {
  private readonly bySignature = new Map<string, number>()
  private readonly taken = new Set<number>()

  /** Never 0, which is "no class". */
  numberOf(signature: string): number {
    const known = this.bySignature.get(signature)
    if (known !== undefined) return known
    let number = createHash('sha256').update(signature).digest().readUInt32LE(0)
    while (number === 0 || this.taken.has(number)) number = (number + 1) >>> 0
    this.bySignature.set(signature, number)
    this.taken.add(number)
    return number
  }
}
