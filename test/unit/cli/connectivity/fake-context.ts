import type {Features} from '../../../../src/cli/connectivity/features.ts'
import {connectivityFlags, readOptions} from '../../../../src/cli/connectivity/flags.ts'
import type {ConnectivityOptions} from '../../../../src/cli/connectivity/options.ts'
import type {EchoPeer, Peer, TestContext} from '../../../../src/cli/connectivity/test.ts'
import type {CommandResult} from '../../../../src/cli/connectivity/test-cluster.ts'

export const fine: CommandResult = {stdout: '', stderr: '', exitCode: 0}

/** Options as they are when no flag is given, but for these. */
export function options(overrides: Partial<ConnectivityOptions> = {}): ConnectivityOptions {
  const flags: Record<string, unknown> = {}
  for (const [name, flag] of Object.entries(connectivityFlags)) {
    if (typeof flag.default !== 'function') flags[name] = flag.default ?? (flag.type === 'boolean' ? false : undefined)
  }
  delete flags['single-node']
  delete flags['external-target-ipv6-capable']
  delete flags['external-target-tls']
  const durations = {timeout: 0, 'connect-timeout': 2_000, 'request-timeout': 10_000, 'retry-delay': 1}
  return {...readOptions({...flags, ...durations} as never), ...overrides}
}

export const features: Features = {
  families: ['ipv4', 'ipv6'],
  tunnel: 'vxlan',
  services: undefined,
  nodePort: false,
  hostPort: false,
  health: true,
  singleNode: false,
  hostFirewall: false,
  cidrMatchesNodes: false,
  localRedirect: false,
  foreignNodes: [],
}

/** Somebody whose commands end as told. */
export function peer(name: string, node: string, number: number, exec: Peer['exec'] = async () => fine): Peer {
  return {
    name: `cilium-test-1/${name}`,
    node,
    addresses: {ipv4: `10.0.0.${number}`, ipv6: `fd00::${number}`},
    exec,
  }
}

export function echo(name: string, node: string, number: number): EchoPeer {
  return {...peer(name, node, number), httpPort: 8080, service: name}
}

/** Two nodes: two clients and an echo on the first, one of each on the second. */
export function context(overrides: Partial<TestContext> = {}): TestContext {
  return {
    redirected: {},
    namespace: 'cilium-test-1',
    options: options(),
    features,
    external: {...options().external, tls: false, targetHasIpv6: true},
    families: ['ipv4', 'ipv6'],
    clients: [peer('client', 'n1', 1), peer('client2', 'n1', 2), peer('client3', 'n2', 3)],
    echoes: [echo('echo-same-node', 'n1', 11), echo('echo-other-node', 'n2', 12)],
    neighbours: [],
    enforce: async () => ({[Symbol.asyncDispose]: async () => {}}),
    hosts: [peer('host-netns-a', 'n1', 101), peer('host-netns-b', 'n2', 102)],
    nodes: [],
    apiServers: [],
    services: [],
    agents: [peer('cilium-a', 'n1', 101), peer('cilium-b', 'n2', 102)],
    outside: undefined,
    outsideMissing: 'no machine outside is known',
    signal: new AbortController().signal,
    ...overrides,
  }
}
