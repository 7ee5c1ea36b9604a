/**
 * Which destinations outside see pods' own addresses: what the ConfigMap `ip-masq-agent` says, as the program of that name
 * reads it. Looked at again and again: kubelet changes the file some time after the ConfigMap has changed.
 */
import {readFileSync} from 'node:fs'
import {parse} from 'yaml'
import {isErrno} from '../../kernel/errors.ts'
import {Cidr} from '../../model/cidr.ts'
import type {Clock, Timer} from '../../runtime/clock.ts'
import {CiliumError, declareErrors, fail} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'

const codes = declareErrors({
  IP_MASQ_CONFIG_INVALID: {
    what: 'the ConfigMap ip-masq-agent cannot be followed: {detail}',
    advice: 'correct its key config; until then what it said before holds, at first only that nothing is exempt',
  },
})

const everyMs = 5_000

/** Private and special-purpose addresses: exempt as long as nobody says anything (RFC 6890). */
const standard = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '240.0.0.0/4',
].map(Cidr.of)
const linkLocal4 = Cidr.of('169.254.0.0/16')
const linkLocal6 = Cidr.of('fe80::/10')

/**
 * The destinations that are not masqueraded. Rules: 1 without a file, or with an empty one, the standard ranges; 2 else
 * exactly those that it names, which may be none; 3 link-local ones besides, unless it says otherwise.
 *
 * @param text of the file, YAML or JSON; undefined: there is none
 * @throws IP_MASQ_CONFIG_INVALID
 */
export function exemptCidrs(text: string | undefined): readonly Cidr[] {
  const content = read(text ?? '')
  const {nonMasqueradeCIDRs, masqLinkLocal = false, masqLinkLocalIPv6 = false} = content ?? {}
  return [
    ...(content === undefined ? standard : cidrs(nonMasqueradeCIDRs ?? [])),
    ...(flag('masqLinkLocal', masqLinkLocal) ? [] : [linkLocal4]),
    ...(flag('masqLinkLocalIPv6', masqLinkLocalIPv6) ? [] : [linkLocal6]),
  ]
}

function read(text: string): Record<string, unknown> | undefined {
  let value: unknown
  try {
    value = parse(text, {maxAliasCount: 0})
  } catch (thrown) {
    fail(codes.IP_MASQ_CONFIG_INVALID, {detail: CiliumError.from(thrown).message}, {cause: thrown})
  }
  if (value === null || value === undefined) return undefined
  if (typeof value !== 'object' || Array.isArray(value))
    fail(codes.IP_MASQ_CONFIG_INVALID, {detail: 'it is no mapping of names to values'})
  return value as Record<string, unknown>
}

function cidrs(value: unknown): Cidr[] {
  if (!Array.isArray(value)) return fail(codes.IP_MASQ_CONFIG_INVALID, {detail: 'nonMasqueradeCIDRs is no list'})
  return value.map((text) => {
    const cidr = typeof text === 'string' ? Cidr.parse(text) : undefined
    return cidr ?? fail(codes.IP_MASQ_CONFIG_INVALID, {detail: `${JSON.stringify(text)} is no CIDR`})
  })
}

function flag(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  return fail(codes.IP_MASQ_CONFIG_INVALID, {detail: `${name} is neither true nor false`})
}

export interface MasqueradeExemptionsOptions {
  readonly path: string
  readonly clock: Clock
  readonly log: Log
  /** told once at the start, and whenever they change */
  readonly apply: (cidrs: readonly Cidr[]) => void
}

/** Follows the file. */
export class MasqueradeExemptions {
  private readonly options: MasqueradeExemptionsOptions
  private readonly log: Log
  private timer: Timer | undefined
  /** undefined: not looked at yet; '': there is no file */
  private seen: string | undefined

  constructor(options: MasqueradeExemptionsOptions) {
    this.options = options
    this.log = options.log.for('ip-masq-agent')
  }

  start(): void {
    this.look()
  }

  stop(): void {
    this.timer?.cancel()
  }

  private look(): void {
    this.timer = this.options.clock.after(everyMs, () => this.look())
    try {
      const text = this.text()
      if (text === this.seen) return
      this.seen = text
      const cidrs = exemptCidrs(text)
      this.log.info('destinations that are not masqueraded', {cidrs: cidrs.map(String)})
      this.options.apply(cidrs)
    } catch (thrown) {
      this.log.error('destinations that are not masqueraded stay as they are', {error: CiliumError.from(thrown)})
    }
  }

  private text(): string {
    try {
      return readFileSync(this.options.path, 'utf8')
    } catch (thrown) {
      if (isErrno(thrown, 'ENOENT') || (thrown as NodeJS.ErrnoException).code === 'ENOENT') return ''
      throw thrown
    }
  }
}
