import {fail} from '../../../runtime/errors.ts'
import {ActionNames, curl, pairs, ping, urlHost} from '../actions.ts'
import {TEST_PROBE_FAILED} from '../errors.ts'
import type {Family} from '../options.ts'
import {needsTwoNodes} from '../requirements.ts'
import type {Peer, Scenario, TestContext} from '../test.ts'

/** bytes of IP and ICMP headers before the payload of an echo request */
const headerBytes: Readonly<Record<Family, number>> = {ipv4: 28, ipv6: 48}
/** enough segments of full size that a path which loses them cannot deliver it */
const transferBytes = 1_000_000

/**
 * Between nodes, the largest packet that a pod believes it may send arrives whole, and a transfer of full segments
 * completes. A path that is narrower than the pods' MTU shows here and hardly anywhere else.
 */
export const podToPodNoFrag: Scenario = {
  name: 'pod-to-pod-no-frag',
  requires: [needsTwoNodes],
  async *actions(context) {
    const names = new ActionNames()
    for (const {family, from, to, address} of pairs(context, context.clients, context.echoes)) {
      if (from.node === to.node) continue
      const mtu = await pathMtu(context, from, address)
      yield ping(context, names, from, {name: to.name, address}, {family, payloadBytes: mtu - headerBytes[family]})
      const url = `http://${urlHost(address)}:${to.httpPort}/bytes/${transferBytes}`
      const check = ({stdout}: {readonly stdout: string}) =>
        stdout.length === transferBytes ? undefined : `${stdout.length} of ${transferBytes} bytes arrived`
      yield curl(context, names, from, {name: to.name, address, port: to.httpPort}, {family, url, check})
    }
  },
}

/** The MTU that the pod's own stack uses towards an address: the route's, else the device's. */
async function pathMtu(context: TestContext, from: Peer, address: string): Promise<number> {
  const run = async (command: readonly string[]) => {
    const result = await from.exec(command, {signal: context.signal, timeoutMs: context.options.requestTimeoutMs})
    if (result.exitCode === 0) return result.stdout
    return fail(TEST_PROBE_FAILED, {command: command.join(' '), pod: from.name, detail: result.stderr.trim()})
  }
  const [route] = JSON.parse(await run(['ip', '-j', 'route', 'get', address])) as {
    dev: string
    metrics?: {mtu?: number}[]
  }[]
  const routed = route?.metrics?.find(({mtu}) => mtu !== undefined)?.mtu
  return routed ?? Number(await run(['cat', `/sys/class/net/${route?.dev ?? 'eth0'}/mtu`]))
}
