/** The servers of the outside namespace, which stands for the Internet. */
import {join} from 'node:path'
import {ensureToolsCgroup} from './cgroup.ts'
import {type DaemonId, startDaemon} from './daemon.ts'
import {netnsPath} from './network.ts'
import {bracketed, type LabPlan, outsideAddresses, places} from './plan.ts'
import {tryTool} from './tool.ts'

const servers = ['http', 'dns'] as const

export function outsideDaemons(plan: {readonly name: string}): readonly DaemonId[] {
  return servers.map((process) => ({lab: plan.name, place: places.outside, process}))
}

/** Starts both servers and waits until each answers at its address. */
export async function startOutside(plan: LabPlan, signal: AbortSignal): Promise<void> {
  const address = (which: 'main' | 'dns') => outsideAddresses[which][plan.ipFamilies[0]!]
  const source = (file: string) => join(import.meta.dirname, 'outside', file)
  await Promise.all([
    start(plan, 'http', source('http-server.ts'), ['http', bracketed(address('main'))], signal),
    start(plan, 'dns', source('dns-server.ts'), ['dns', address('dns')], signal),
  ])
}

async function start(
  plan: LabPlan,
  process_: (typeof servers)[number],
  file: string,
  probe: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const inside = ['nsenter', `--net=${netnsPath(plan, places.outside)}`]
  const families = plan.ipFamilies.join(',')
  await startDaemon(
    {lab: plan.name, place: places.outside, process: process_},
    [...inside, process.execPath, file, families],
    async () => {
      const [command, ...args] = [
        ...inside,
        process.execPath,
        join(import.meta.dirname, 'outside', 'probe.ts'),
        ...probe,
      ]
      return (await tryTool(command!, args, {signal, cgroup: ensureToolsCgroup(plan.name)})).status === 0
    },
    signal,
  )
}
