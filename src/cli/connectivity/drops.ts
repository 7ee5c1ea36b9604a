/** Which drops the nodes count while something fails: the reason is worth more than "timed out". */
import type {PacketCount} from '../dbg/bpf/counter.ts'
import type {Action, Peer, TestContext} from './test.ts'

/**
 * Runs the command of a failed action once more and tells what the agents of both ends counted meanwhile, such as
 * "node2: Policy denied (INGRESS) +3". Nothing when agents cannot be asked: this is a courtesy.
 */
export async function findDrops(context: TestContext, action: Action): Promise<readonly string[]> {
  const targetNode = [...context.clients, ...context.echoes, ...context.hosts].find(({addresses}) =>
    Object.values(addresses).includes(action.to.address),
  )?.node
  const agents = context.agents.filter(({node}) => node === action.from.node || node === targetNode)
  if (agents.length === 0) return []
  const limits = {signal: context.signal, timeoutMs: context.options.requestTimeoutMs + 10_000}
  const before = await Promise.all(agents.map((agent) => dropsOf(agent, context)))
  await action.from.exec(action.command, limits).catch(() => undefined)
  const after = await Promise.all(agents.map((agent) => dropsOf(agent, context)))
  return agents.flatMap(({node}, index) =>
    [...(after[index] ?? [])].flatMap(([label, count]) => {
      const more = count - (before[index]?.get(label) ?? 0)
      return more > 0 ? [`${node}: ${label} +${more}`] : []
    }),
  )
}

/** Drop counts by reason; undefined when the node cannot be asked. The maps are read, so the agent may be down. */
async function dropsOf(agent: Peer, {signal}: TestContext): Promise<ReadonlyMap<string, number> | undefined> {
  try {
    const command = ['cilium', 'bpf', 'metrics', 'list', '-o', 'json']
    const {stdout} = await agent.exec(command, {signal, timeoutMs: 10_000})
    const counts = JSON.parse(stdout) as readonly PacketCount[]
    return new Map(
      counts.filter(({drop}) => drop).map(({reason, direction, packets}) => [`${reason} (${direction})`, packets]),
    )
  } catch {
    signal.throwIfAborted()
    return undefined
  }
}
