/**
 * The numbers of groups of peers, in a file beside the agent's socket: as long-lived as the maps whose sets name them.
 * Written at once and not synced to the disk: what a power failure takes, it takes of the maps, too.
 */
import {readFileSync, renameSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {Cidr} from '../../model/cidr.ts'
import type {Selector} from '../../model/selector.ts'
import {cidrSelector} from '../../policy/cidr-selector.ts'
import type {NumberedGroup, PortMeaning} from '../../policy/peer-groups.ts'
import type {CidrReach} from '../../policy/rule.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'

export interface GroupMemory {
  /** Nothing when there is no file, or none that can be read. */
  read(): readonly NumberedGroup[]
  /** Before a set names them. */
  write(groups: readonly NumberedGroup[]): void
}

interface StoredGroup {
  readonly number: number
  readonly any: boolean
  readonly selectors: readonly Selector[]
  readonly cidrs: readonly {
    readonly reach: CidrReach
    readonly items: readonly {readonly cidr: string; readonly except: readonly string[]}[]
  }[]
  readonly meaning: PortMeaning | null
}

const version = 1

export function groupFile(stateDir: string, root: Log): GroupMemory {
  const path = join(stateDir, 'policy-groups.json')
  const log = root.for('policy')
  return {
    read() {
      try {
        const stored = JSON.parse(readFileSync(path, 'utf8')) as {version: number; groups: readonly StoredGroup[]}
        return stored.version === version ? stored.groups.map(restore) : []
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') {
          log.warn('the numbers of groups of peers cannot be read', {path, error: CiliumError.from(thrown)})
        }
        return []
      }
    },
    write(groups) {
      try {
        writeFileSync(`${path}.tmp`, JSON.stringify({version, groups: groups.map(store)}), {mode: 0o600})
        renameSync(`${path}.tmp`, path)
      } catch (thrown) {
        // policies count more than what a restart costs without it
        log.error('the numbers of groups of peers cannot be kept', {path, error: CiliumError.from(thrown)}, {per: path})
      }
    },
  }
}

function store({number, peers, meaning}: NumberedGroup): StoredGroup {
  return {
    number,
    any: peers.any,
    selectors: peers.selectors,
    cidrs: peers.cidrs.map(({reach, items}) => ({
      reach,
      items: items.map(({cidr, except}) => ({cidr: String(cidr), except: except.map(String)})),
    })),
    meaning: meaning ?? null,
  }
}

function restore({number, any, selectors, cidrs, meaning}: StoredGroup): NumberedGroup {
  return {
    number,
    peers: {
      any,
      selectors,
      cidrs: cidrs.map(({reach, items}) =>
        cidrSelector(
          items.map(({cidr, except}) => ({cidr: Cidr.of(cidr), except: except.map((text) => Cidr.of(text))})),
          reach,
        ),
      ),
    },
    meaning: meaning ?? undefined,
  }
}
