/** What is told of policies that are not in force on this node. */
import type {CiliumError} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'
import type {Subject} from './engine.ts'

/** Who hears how policies fare. */
export interface PolicyNews {
  /** Policies that are not in force here, by key, and why. Told after every pass. */
  refused(reasons: ReadonlyMap<string, Refusal>): void
  /** @param seconds from a change of policies until it was in force */
  enforced(seconds: number): void
  /**
   * An identity is in all groups that it belongs to.
   *
   * @param scope is it known everywhere, or to this node alone?
   * @param seconds since it became known
   */
  learnt(scope: 'global' | 'local', seconds: number): void
}

/** Why a policy is not in force here. */
export interface Refusal {
  /** one word, for machines */
  readonly reason: 'NoRoom' | 'NotConfirmed'
  readonly message: string
}

/** Every policy that selects somebody whose newest rules are not in force. @param selecting its policies, by key */
export function refusedPolicies(
  subjects: readonly {readonly subject: Subject; readonly error: CiliumError}[],
  selecting: (subject: Subject) => readonly string[],
): ReadonlyMap<string, Refusal> {
  const reasons = new Map<string, Refusal>()
  for (const {subject, error} of subjects) {
    const refusal: Refusal = {
      reason: error.code === codes.HOST_POLICY_UNCONFIRMED ? 'NotConfirmed' : 'NoRoom',
      // how much room there is changes all the time
      message: error.code === codes.POLICY_MAPS_FULL ? 'the maps of rule sets are full' : error.message,
    }
    for (const key of selecting(subject)) reasons.set(key, refusal)
  }
  return reasons
}
