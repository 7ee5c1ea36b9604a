/**
 * Takes everything of ours off a node: for uninstalling, and before another network is put in. Idempotent: what is gone
 * already is success. Goes by names, pins and our routes' protocol number, never by what else the machine has.
 *
 * The order: configuration of the runtime first, so that no new pod is promised a network; then programs; then devices,
 * which take routes and neighbours along; the memory of it last.
 */
import {existsSync, readdirSync, readFileSync, realpathSync, rmSync} from 'node:fs'
import {readdir, rename, rm} from 'node:fs/promises'
import {basename, dirname, join} from 'node:path'
import {isErrno} from '../kernel/errors.ts'
import {filterDelete, listFilters} from '../kernel/netlink/filter.ts'
import {linkDelete, listLinks} from '../kernel/netlink/link.ts'
import {listRoutes, routeProtocols} from '../kernel/netlink/route.ts'
import {listRules, ruleDelete} from '../kernel/netlink/rule.ts'
import {NetlinkSocket} from '../kernel/netlink/socket.ts'
import {deleteNetns, netnsFolder} from '../kernel/netns.ts'
import {CiliumError} from '../runtime/errors.ts'
import {asideSuffix} from './cni/conflist.ts'
import type {AgentConfig} from './config.ts'
import {isOwnDevice} from './node/device-names.ts'
import {deleteOwnRoute} from './reconcile/routes.ts'

export interface CleanupOptions {
  readonly config: AgentConfig
  /** where the runtime's plugins are mounted; what is not mounted is left to others */
  readonly cniBinaries: string
  readonly say: (line: string) => void
}

/** @returns errors of the steps that failed; the others were carried out all the same */
export async function cleanUpNode({config, cniBinaries, say}: CleanupOptions): Promise<CiliumError[]> {
  const errors: CiliumError[] = []
  const step = async (name: string, work: () => number | Promise<number>) => {
    try {
      const count = await work()
      if (count > 0) say(`${name}: ${count}`)
    } catch (thrown) {
      const error = CiliumError.from(thrown)
      errors.push(error)
      say(`${name}: failed, ${error.code} ${error.message}`)
    }
  }
  using socket = new NetlinkSocket()
  const conflist = config['write-cni-conf-when-ready'] || '/host/etc/cni/net.d/05-cilium.conflist'
  await step('removed CNI configuration', () => removeFile(conflist))
  await step('brought back CNI configurations of others', () => bringBack(dirname(conflist)))
  await step('removed CNI plugin', () => removeFile(join(cniBinaries, 'cilium-cni')))
  await step('removed filters', () => removeFilters(socket))
  await step('removed pins', () => removePins(join(config['bpf-root'], 'cilium')))
  await step('removed devices', () => removeDevices(socket))
  await step('removed routes', () => removeRoutes(socket))
  await step('removed rules', () => removeRules(socket))
  await step('removed network namespaces', removeHealthNamespaces)
  await step('removed state', () => emptyFolder(config['lib-dir']))
  await step('removed run files', () => emptyFolder(config['state-dir']))
  return errors
}

async function removeFile(path: string): Promise<number> {
  if (!existsSync(path)) return 0
  await rm(path)
  return 1
}

async function bringBack(folder: string): Promise<number> {
  if (!existsSync(folder)) return 0
  const aside = (await readdir(folder)).filter((name) => name.endsWith(asideSuffix))
  for (const name of aside) await rename(join(folder, name), join(folder, basename(name, asideSuffix)))
  return aside.length
}

/** Filters of clsact, on kernels without tcx: they belong to their device and have no pin. */
function removeFilters(socket: NetlinkSocket): number {
  let count = 0
  for (const {ifindex} of listLinks(socket)) {
    for (const direction of ['ingress', 'egress'] as const) {
      for (const {name, priority} of listFilters(socket, ifindex, direction)) {
        if (name !== 'cilium') continue
        tolerate(socket.tryAll([filterDelete({ifindex, direction, priority})])[0], 'ENOENT', 'ENODEV')
        count++
      }
    }
  }
  return count
}

/** Links detach and programs and maps end with their last pin. */
function removePins(folder: string): number {
  if (!existsSync(folder)) return 0
  const count = readdirSync(folder, {recursive: true, withFileTypes: true}).filter((entry) => entry.isFile()).length
  rmSync(folder, {recursive: true, force: true})
  return count
}

function removeDevices(socket: NetlinkSocket): number {
  const own = listLinks(socket).filter(({name}) => isOwnDevice(name))
  // the second end of a pair is gone with the first
  for (const {ifindex} of own) tolerate(socket.tryAll([linkDelete(ifindex)])[0], 'ENODEV')
  return own.length
}

function removeRoutes(socket: NetlinkSocket): number {
  let count = 0
  for (const family of [4, 6] as const) {
    for (const route of listRoutes(socket, {family, table: 0, protocol: routeProtocols.cilium})) {
      deleteOwnRoute(socket, route)
      count++
    }
  }
  return count
}

function removeRules(socket: NetlinkSocket): number {
  let count = 0
  for (const family of [4, 6] as const) {
    for (const rule of listRules(socket, family)) {
      if (rule.protocol !== routeProtocols.cilium) continue
      tolerate(socket.tryAll([ruleDelete(rule)])[0], 'ENOENT')
      count++
    }
  }
  return count
}

function removeHealthNamespaces(): number {
  if (!existsSync(netnsFolder)) return 0
  const names = readdirSync(netnsFolder).filter((name) => name.startsWith('cilium-health-'))
  for (const name of names) deleteNetns(name)
  return names.length
}

/** The folder itself may be a mount: it stays. */
/** A mount inside is not ours to remove: whoever made it still uses it. */
async function emptyFolder(path: string): Promise<number> {
  if (!existsSync(path)) return 0
  const names = (await readdir(path)).filter((name) => !isMountPoint(join(path, name)))
  for (const name of names) await rm(join(path, name), {recursive: true, force: true})
  return names.length
}

function isMountPoint(path: string): boolean {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const real = realpathSync(path)
  return mounts.some((line) => line.split(' ')[4] === real)
}

function tolerate(error: unknown, ...errnos: readonly string[]): void {
  if (error !== undefined && !isErrno(error, ...errnos)) throw error
}
