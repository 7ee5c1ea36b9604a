import {ActionNames} from '../actions.ts'
import type {Action, Peer, Scenario} from '../test.ts'
import {podToPod} from './pod-to-pod.ts'

const counter = 'cilium_forward_count_total'

/** What each client's node counts as forwarded grows by what its clients send. */
export const podToPodCounted: Scenario = {
  name: 'pod-to-pod-forwarded',
  requires: [({agents}) => (agents.length === 0 ? 'no agent is known' : undefined)],
  async *actions(context) {
    const nodes = new Set(context.clients.map(({node}) => node))
    const agents = context.agents.filter(({node}) => nodes.has(node))
    const names = new ActionNames()
    const before = new Map<Peer, number>()
    const count = (agent: Peer, check: (packets: number) => string | undefined): Action => ({
      name: names.next('count'),
      from: agent,
      to: {name: counter, address: ''},
      tool: 'other',
      command: ['cilium-dbg', 'metrics', 'list', '--match-pattern', `^${counter}$`, '--output', 'json'],
      check: ({stdout}) => {
        const packets = forwardedPackets(stdout)
        return packets === undefined ? `${counter} is not told` : check(packets)
      },
    })
    for (const agent of agents) yield count(agent, (packets) => void before.set(agent, packets))
    let sent = 0
    for await (const action of podToPod.actions(context)) {
      sent++
      yield action
    }
    if (sent === 0) return
    for (const agent of agents) {
      yield count(agent, (packets) => {
        const was = before.get(agent)
        if (was === undefined) return `${counter} was not told before`
        return packets > was ? undefined : `${counter} was ${was} and is ${packets}`
      })
    }
  },
}

/** Over all directions; undefined when this is no answer. */
function forwardedPackets(text: string): number | undefined {
  try {
    const metrics = JSON.parse(text) as readonly {readonly name?: string; readonly value?: number}[]
    const values = metrics.flatMap(({name, value}) => (name === counter && value !== undefined ? [value] : []))
    return values.length === 0 ? undefined : values.reduce((sum, one) => sum + one, 0)
  } catch {
    return undefined
  }
}
