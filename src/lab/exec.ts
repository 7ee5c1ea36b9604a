/** `cilium lab exec`: a command in a node's namespaces, or outside. */
import {spawn} from 'node:child_process'
import {constants} from 'node:os'
import {ensureProcessCgroup} from './cgroup.ts'
import {netnsPath} from './network.ts'
import {inNode} from './node.ts'
import {type LabPlan, places} from './plan.ts'
import {nodeOf, readPlan} from './state.ts'
import {insideCgroup, type ToolOptions, type ToolResult, tryTool} from './tool.ts'

/**
 * The argv that runs a command at a place of a lab, in the place's cgroup, so that socket programs of the node apply.
 *
 * @param place a node's name, "outside", or "fabric" for the lab's router
 * @throws LAB_NODE_UNKNOWN, LAB_NODE_DOWN
 */
export function execArgv(plan: LabPlan, place: string, argv: readonly string[]): readonly string[] {
  const isNode = place !== places.outside && place !== places.fabric
  const entered = isNode
    ? inNode(plan, nodeOf(plan, place), argv)
    : [`nsenter`, `--net=${netnsPath(plan, place)}`, '--', ...argv]
  return insideCgroup(ensureProcessCgroup(plan.name, place, 'shell'), entered)
}

/** Runs a command with this terminal. @returns its exit code, 128 + n for signal n */
export async function labExec(name: string, place: string, argv: readonly string[]): Promise<number> {
  const [command, ...args] = execArgv(readPlan(name), place, argv)
  const child = spawn(command!, args, {stdio: 'inherit'})
  // Ctrl-C reaches the command by the terminal; it decides what that means.
  const ignore = () => {}
  process.on('SIGINT', ignore)
  try {
    return await new Promise<number>((resolve, reject) => {
      child.on('error', reject)
      child.on('exit', (status, signal) => resolve(status ?? 128 + (constants.signals[signal!] ?? 0)))
    })
  } finally {
    process.off('SIGINT', ignore)
  }
}

/** Runs a command and gives back what it printed; for tests. */
export async function execInLab(
  plan: LabPlan,
  place: string,
  argv: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const [command, ...args] = execArgv(plan, place, argv)
  return await tryTool(command!, args, options)
}
