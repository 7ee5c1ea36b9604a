/**
 * What rules ask of an address: does it lie in these prefixes? Each distinct question is a selector, named by its
 * content, so that rules which ask the same share one.
 */
import type {Cidr} from '../model/cidr.ts'
import type {CidrItem, CidrReach} from './rule.ts'

export interface CidrSelector {
  /** canonical text: equal for equal content */
  readonly key: string
  readonly reach: CidrReach
  readonly items: readonly CidrItem[]
}

export function cidrSelector(items: readonly CidrItem[], reach: CidrReach): CidrSelector {
  const texts = items.map(({cidr, except}) =>
    [
      cidr,
      ...except
        .map(String)
        .sort()
        .map((text) => `-${text}`),
    ].join(''),
  )
  return {key: `${reach}:${[...new Set(texts)].sort().join(',')}`, reach, items}
}

/** Every prefix that a selector mentions: where the answer can change from one address to the next. */
export function mentionedPrefixes({items}: CidrSelector): Cidr[] {
  return items.flatMap(({cidr, except}) => [cidr, ...except])
}
