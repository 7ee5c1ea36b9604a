/** Labs on disk: which there are, their plans, and the numbers that keep them apart. */
import {existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {CiliumError, fail} from '../runtime/errors.ts'
import {LAB_DIFFERS, LAB_NO_SUBNET, LAB_NODE_UNKNOWN, LAB_UNKNOWN} from './errors.ts'
import {freeIndex, machineLink, machineRoutes} from './network.ts'
import {labPaths, labsFolder} from './paths.ts'
import {checkLabName, defaultLabName, type LabNode, type LabOptions, type LabPlan, planLab} from './plan.ts'
import {LabRecord} from './record.ts'

/** One file per number, holding the name of the lab that has it. */
const indexFolder = join(labsFolder, '.index')

/** Names of all labs of this machine that have not been taken down. */
export function listLabs(): readonly string[] {
  if (!existsSync(labsFolder)) return []
  return readdirSync(labsFolder)
    .filter((name) => !name.startsWith('.'))
    .sort()
}

/** Plans of all labs, without those that somebody is making or taking down. */
export function listPlans(): readonly LabPlan[] {
  return listLabs().flatMap((name) => tryReadPlan(name) ?? [])
}

/** @throws LAB_UNKNOWN */
export function readPlan(name: string): LabPlan {
  checkLabName(name)
  return tryReadPlan(name) ?? unknownLab(name)
}

/** @throws LAB_NODE_UNKNOWN */
export function nodeOf(plan: LabPlan, name: string): LabNode {
  const nodes = plan.nodes.map((node) => node.name).join(', ')
  return plan.nodes.find((node) => node.name === name) ?? fail(LAB_NODE_UNKNOWN, {name: plan.name, node: name, nodes})
}

export function savePlan(plan: LabPlan): void {
  const file = labPaths(plan.name).plan
  writeFileSync(`${file}.new`, `${JSON.stringify(plan, undefined, 2)}\n`, {mode: 0o600})
  renameSync(`${file}.new`, file)
}

/**
 * The stored plan of a lab.
 *
 * @returns undefined when there is no such lab
 * @throws LAB_DIFFERS when the options ask for something else than what exists
 */
export function existingPlan(options: LabOptions): LabPlan | undefined {
  const existing = tryReadPlan(checkLabName(options.name ?? defaultLabName))
  if (existing !== undefined) refuseDifference(options, existing)
  return existing
}

/** Opens a lab for work: the stored plan, or a new one with a number of its own. The lab's lock is held. @throws as existingPlan */
export async function openPlan(options: LabOptions): Promise<{plan: LabPlan; record: LabRecord}> {
  const name = checkLabName(options.name ?? defaultLabName)
  const paths = labPaths(name)
  const existing = existingPlan(options)
  if (existing !== undefined) return {plan: existing, record: LabRecord.open(paths.record)}
  // Everything that can be wrong with the options is found before anything is made.
  planLab(options, 0)
  mkdirSync(paths.data, {recursive: true, mode: 0o700})
  const record = LabRecord.open(paths.record)
  const index = await claimIndex(name, record)
  const plan = planLab(options, index)
  record.add({kind: 'folder', id: paths.data})
  record.add({kind: 'folder', id: paths.run})
  savePlan(plan)
  return {plan, record}
}

/** Gives a lab's number back. */
export function releaseIndex(name: string, index: number): void {
  if (ownerOf(index) === name) rmSync(join(indexFolder, String(index)), {force: true})
}

async function claimIndex(name: string, record: LabRecord): Promise<number> {
  mkdirSync(indexFolder, {recursive: true, mode: 0o700})
  const routes = await machineRoutes()
  for (;;) {
    const numbers = readdirSync(indexFolder).map(Number)
    const mine = numbers.find((number) => ownerOf(number) === name)
    if (mine !== undefined) return mine
    const taken = new Set(numbers)
    for (let i = 0; i < 256; i++) if (existsSync(`/sys/class/net/${machineLink({index: i})}`)) taken.add(i)
    const index = freeIndex(taken, routes) ?? fail(LAB_NO_SUBNET)
    record.add({kind: 'index', id: String(index)})
    try {
      writeFileSync(join(indexFolder, String(index)), name, {flag: 'wx', mode: 0o600})
      return index
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown
    }
  }
}

function ownerOf(index: number): string | undefined {
  return readIfThere(join(indexFolder, String(index)))
}

function tryReadPlan(name: string): LabPlan | undefined {
  const text = readIfThere(labPaths(name).plan)
  return text === undefined ? undefined : (JSON.parse(text) as LabPlan)
}

function unknownLab(name: string): never {
  throw new CiliumError(LAB_UNKNOWN, {name, labs: listLabs().join(', ') || 'none'})
}

function refuseDifference(options: LabOptions, plan: LabPlan): void {
  const wanted = planLab({...options, name: plan.name}, plan.index)
  const pairs: readonly [string, unknown, unknown, unknown][] = [
    ['--nodes', options.nodes, wanted.nodes.length, plan.nodes.length],
    ['--node-names', options.nodeNames, names(wanted), names(plan)],
    ['--kubernetes', options.kubernetes, wanted.kubernetes, plan.kubernetes],
    ['--bin-dir', options.binDir, wanted.binDir, plan.binDir ?? 'not given'],
    ['--kube-proxy', options.kubeProxy, wanted.kubeProxy, plan.kubeProxy],
    ['--cni', options.cni, wanted.cni, plan.cni],
    ['--ip-families', options.ipFamilies, wanted.ipFamilies.join(','), plan.ipFamilies.join(',')],
    ['--pod-cidr', options.podCidr, wanted.podCidrs.join(','), plan.podCidrs.join(',')],
    ['--service-cidr', options.serviceCidr, wanted.serviceCidrs.join(','), plan.serviceCidrs.join(',')],
    ['--mtu', options.mtu, wanted.mtu, plan.mtu],
  ]
  for (const [option, said, asked, existing] of pairs) {
    if (said !== undefined && asked !== existing) {
      fail(LAB_DIFFERS, {name: plan.name, option, existing: String(existing), wanted: String(asked)})
    }
  }
}

function names(plan: LabPlan): string {
  return plan.nodes.map((node) => node.name).join(',')
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
}
