/**
 * What a node has to know of itself before it can connect pods. The API server tells it; the disk remembers it, so that
 * a node that restarts alone knows it, too.
 */
import {join} from 'node:path'
import {Cidr} from '../../model/cidr.ts'
import {Ip} from '../../model/ip.ts'
import {readState} from '../../runtime/atomic-file.ts'
import type {Clock} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import {KeptFile} from '../../runtime/kept-file.ts'
import type {Log} from '../../runtime/log.ts'

export interface NodeFacts {
  readonly uid: string
  readonly internalIps: readonly Ip[]
  readonly externalIps: readonly Ip[]
  readonly podCidrs: readonly Cidr[]
  /** of the health endpoint; chosen once and kept */
  readonly healthIps: readonly Ip[]
  /** `containerd://1.6.20` */
  readonly runtime: string | undefined
}

interface Stored {
  readonly uid: string
  readonly internalIps: readonly string[]
  readonly externalIps: readonly string[]
  readonly podCidrs: readonly string[]
  readonly healthIps: readonly string[]
  readonly runtime: string | null
}

const version = 1

export class NodeFactsFile {
  private readonly path: string
  private readonly log: Log
  private readonly file: KeptFile

  constructor(libDir: string, clock: Clock, log: Log) {
    this.path = join(libDir, 'node.json')
    this.log = log.for('node')
    this.file = new KeptFile({path: this.path, version, clock, log: this.log})
  }

  /** @returns undefined when there is none that can be read: the API server will have to be asked */
  async read(): Promise<NodeFacts | undefined> {
    try {
      const stored = await readState<Stored>(this.path, {version})
      if (stored === undefined) return undefined
      return {
        uid: stored.uid,
        internalIps: stored.internalIps.map(Ip.of),
        externalIps: stored.externalIps.map(Ip.of),
        podCidrs: stored.podCidrs.map(Cidr.of),
        healthIps: stored.healthIps.map(Ip.of),
        runtime: stored.runtime ?? undefined,
      }
    } catch (thrown) {
      this.log.warn('what was known of this node cannot be read', {error: CiliumError.from(thrown)})
      return undefined
    }
  }

  /** As soon as the disk takes it. */
  write(facts: NodeFacts): void {
    this.file.put({...facts, runtime: facts.runtime ?? null})
  }

  stop(): Promise<void> {
    return this.file.stop()
  }
}

export function sameFacts(a: NodeFacts | undefined, b: NodeFacts): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
