/**
 * Closes sockets that are connected to a backend which is gone, so that their processes connect anew instead of waiting
 * for an answer. Only what was translated at the socket and is connected still: who spoke to the backend by its own
 * name, and datagram sockets without a connection, are left alone. In every network namespace of the node.
 */
import {existsSync, readdirSync} from 'node:fs'
import {join} from 'node:path'
import {isErrno} from '../../kernel/errors.ts'
import {listSockets, sockDiag, socketDestroy} from '../../kernel/netlink/sock-diag.ts'
import {NetlinkSocket} from '../../kernel/netlink/socket.ts'
import {inNetns, netnsCookie, netnsFolder} from '../../kernel/netns.ts'
import type {Ip} from '../../model/ip.ts'
import type {Clock, Timer} from '../../runtime/clock.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'

/** Changes come in crowds: one look serves them all. */
const delayMs = 200

export interface StaleSocket {
  readonly cookie: bigint
  /** cookie of its network namespace */
  readonly netns: bigint
  readonly backend: Ip
  readonly port: number
  readonly protocol: number
}

export interface StaleSocketsOptions {
  /** sockets that are connected to a backend that is gone, or were */
  readonly list: () => readonly StaleSocket[]
  /** paths of namespaces of pods; this process' own is always looked at */
  readonly namespaces: () => Iterable<string>
  readonly clock: Clock
  readonly log: Log
}

export class StaleSockets {
  private readonly options: StaleSocketsOptions
  private readonly log: Log
  private timer: Timer | undefined

  constructor(options: StaleSocketsOptions) {
    this.options = options
    this.log = options.log.for('stale-sockets')
  }

  /** A backend is gone. */
  request(): void {
    this.timer ??= this.options.clock.after(delayMs, () => {
      this.timer = undefined
      try {
        this.close()
      } catch (thrown) {
        this.log.warn('cannot close sockets of backends that are gone', {error: CiliumError.from(thrown)})
      }
    })
  }

  stop(): void {
    this.timer?.cancel()
  }

  /** Closes all that are to be closed now. @returns how many */
  close(): number {
    const groups = new Map<bigint, StaleSocket[]>()
    for (const socket of this.options.list()) {
      const group = groups.get(socket.netns)
      if (group === undefined) groups.set(socket.netns, [socket])
      else group.push(socket)
    }
    let closed = 0
    const here = () => {
      const cookie = netnsCookie()
      const group = groups.get(cookie)
      if (group === undefined) return
      groups.delete(cookie)
      closed += closeHere(group)
    }
    if (groups.size > 0) here()
    for (const path of groups.size > 0 ? this.paths() : []) {
      if (groups.size === 0) break
      try {
        inNetns(path, here)
      } catch (thrown) {
        // its pod has ended meanwhile, and its sockets with it
        if (!isErrno(thrown, 'ENOENT', 'EINVAL')) throw thrown
      }
    }
    if (closed > 0) this.log.info('closed sockets of backends that are gone', {sockets: closed})
    if (groups.size > 0) this.log.warn('sockets of backends that are gone stay', {namespaces: groups.size})
    return closed
  }

  private paths(): Set<string> {
    const named = existsSync(netnsFolder) ? readdirSync(netnsFolder) : []
    return new Set([...this.options.namespaces(), ...named.map((name) => join(netnsFolder, name))])
  }
}

/** In the namespace where we are. A socket counts only with its cookie and while it is connected to that backend. */
function closeHere(group: readonly StaleSocket[]): number {
  using netlink = new NetlinkSocket(sockDiag)
  const wanted = new Map(group.map((one) => [one.cookie, one]))
  const found = [...new Set(group.map(({protocol}) => protocol))]
    .flatMap((protocol) => ([4, 6] as const).flatMap((family) => listSockets(netlink, family, protocol)))
    .filter(({cookie, destination, destinationPort}) => {
      const stale = wanted.get(cookie)
      return stale !== undefined && stale.port === destinationPort && stale.backend.equals(destination)
    })
  const errors = netlink.tryAll(found.map(socketDestroy))
  const failed = errors.find((error) => error !== undefined && !isErrno(error, 'ENOENT'))
  if (failed !== undefined) throw failed
  return errors.filter((error) => error === undefined).length
}
