/**
 * The wires of a lab (drawing in plan.ts). All of it lies in namespaces of the lab's own; the machine sees one device,
 * cilabN, by which it reaches the API server and the nodes.
 */
import {existsSync, readdirSync} from 'node:fs'
import {join} from 'node:path'
import {fail} from '../runtime/errors.ts'
import {ensureToolsCgroup} from './cgroup.ts'
import {LAB_NOT_OURS} from './errors.ts'
import {
  familyOf,
  hostNumbers,
  type LabFamily,
  type LabNode,
  type LabPlan,
  namespaceName,
  outsideAddresses,
  places,
  prefixLength,
  underlay,
  underlayHost,
} from './plan.ts'
import type {LabRecord, Made} from './record.ts'
import {runTool} from './tool.ts'

const netnsFolder = '/run/netns'

export function netnsPath(plan: {readonly name: string}, place: string): string {
  return join(netnsFolder, namespaceName(plan, place))
}

export function machineLink(plan: {readonly index: number}): string {
  return `cilab${plan.index}`
}

/** The lab's router and bridge, the outside, and the machine's own way in. Made whole or completed. */
export async function ensureFabric(plan: LabPlan, record: LabRecord, signal: AbortSignal): Promise<void> {
  const fabric = namespaceName(plan, places.fabric)
  const outside = namespaceName(plan, places.outside)
  const link = machineLink(plan)
  claim(plan, record, {kind: 'netns', id: fabric}, existsSync(netnsPath(plan, places.fabric)))
  claim(plan, record, {kind: 'netns', id: outside}, existsSync(netnsPath(plan, places.outside)))
  claim(plan, record, {kind: 'link', id: link}, existsSync(`/sys/class/net/${link}`))
  const cgroup = ensureToolsCgroup(plan.name)

  const inFabric = await devicesOf(fabric, cgroup)
  await batch(
    cgroup,
    undefined,
    [
      ...missingNamespaces([fabric, outside]),
      ...(existsSync(`/sys/class/net/${link}`)
        ? []
        : [`link add name ${link} mtu ${plan.mtu} type veth peer name host mtu ${plan.mtu} netns ${fabric}`]),
      ...(inFabric.has('outside')
        ? []
        : [
            `link add name outside mtu ${plan.mtu} netns ${fabric} type veth peer name eth0 mtu ${plan.mtu} netns ${outside}`,
          ]),
      ...plan.ipFamilies.flatMap((family) => addressLines(link, hostAddress(plan, family, hostNumbers.machine))),
      `link set ${link} up`,
    ],
    signal,
  )
  await batch(
    cgroup,
    fabric,
    [
      ...(inFabric.has('br0')
        ? []
        : [`link add br0 address ${bridgeMac(plan)} mtu ${plan.mtu} type bridge forward_delay 0 mcast_snooping 0`]),
      'link set lo up',
      'link set host master br0 up',
      ...plan.ipFamilies.flatMap((family) => [
        ...addressLines('br0', hostAddress(plan, family, hostNumbers.gateway)),
        ...addressLines('br0', hostAddress(plan, family, hostNumbers.api)),
        ...addressLines('outside', `${outsideAddresses.gateway[family]}/${prefixLength(family)}`),
      ]),
      'link set br0 up',
      'link set outside up',
      ...plan.ipFamilies.map((family) => `route replace default via ${outsideAddresses.main[family]} dev outside`),
    ],
    signal,
  )
  await batch(
    cgroup,
    outside,
    [
      'link set lo up',
      'link set eth0 up',
      ...plan.ipFamilies.flatMap((family) => [
        ...(['main', 'other', 'dns'] as const).flatMap((one) =>
          addressLines('eth0', `${outsideAddresses[one][family]}/${prefixLength(family)}`),
        ),
        ...(['one', 'oneOther'] as const).flatMap((one) => addressLines('lo', outsideAddresses[one][family])),
        // The nodes and nothing behind them: an answer to a pod's own address has no way back, as on the Internet.
        `route replace ${underlay(plan.index, family)} via ${outsideAddresses.gateway[family]} dev eth0`,
      ]),
    ],
    signal,
  )
  await inNamespace(
    cgroup,
    fabric,
    'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; ' +
      checksumsInSoftware(['br0', 'host', 'outside']),
    signal,
  )
  await inNamespace(cgroup, outside, checksumsInSoftware(['eth0']), signal)
}

/** A node's namespace with its eth0 on the bridge. What a distribution's start-up sets is set; the rest is the kernel's default. */
export async function ensureNodeNetwork(
  plan: LabPlan,
  node: LabNode,
  record: LabRecord,
  signal: AbortSignal,
): Promise<void> {
  const fabric = namespaceName(plan, places.fabric)
  const netns = namespaceName(plan, node.name)
  claim(plan, record, {kind: 'netns', id: netns}, existsSync(netnsPath(plan, node.name)))
  const cgroup = ensureToolsCgroup(plan.name)
  const port = nodePort(node)
  const [inFabric, inNode] = await Promise.all([devicesOf(fabric, cgroup), devicesOf(netns, cgroup)])

  const begin: string[] = [...missingNamespaces([netns])]
  // A pair whose node end went with its namespace is about to vanish by itself; do not wait for that.
  if (inFabric.has(port) && !inNode.has('eth0')) await batch(cgroup, fabric, [`link del ${port}`], signal)
  if (!inNode.has('eth0')) {
    begin.push(
      `link add name eth0 address ${node.mac} mtu ${plan.mtu} netns ${netns} type veth peer name ${port} mtu ${plan.mtu} netns ${fabric}`,
    )
  }
  await batch(cgroup, undefined, begin, signal)
  await inNamespace(
    cgroup,
    netns,
    // systemd's 50-default.conf
    'for c in default lo eth0; do echo 2 > /proc/sys/net/ipv4/conf/$c/rp_filter; done; ' +
      'echo "0 2147483647" > /proc/sys/net/ipv4/ping_group_range',
    signal,
  )
  await batch(
    cgroup,
    netns,
    [
      'link set lo up',
      'link set eth0 up',
      ...plan.ipFamilies.flatMap((family, i) => [
        ...addressLines('eth0', `${node.addresses[i]}/${prefixLength(family)}`),
        `route replace default via ${underlayHost(plan.index, family, hostNumbers.gateway)} dev eth0`,
      ]),
    ],
    signal,
  )
  await batch(cgroup, fabric, [`link set ${port} master br0 up`], signal)
  await inNamespace(cgroup, fabric, checksumsInSoftware([port]), signal)
}

/** Deletes a node's namespace and wires. Its processes are dead by now. */
export async function removeNodeNetwork(plan: LabPlan, node: LabNode, signal: AbortSignal): Promise<void> {
  const fabric = namespaceName(plan, places.fabric)
  const cgroup = ensureToolsCgroup(plan.name)
  // The pair first: a namespace may linger while the kernel lets go of it, its name and its neighbours must not.
  if ((await devicesOf(fabric, cgroup)).has(nodePort(node))) {
    await batch(cgroup, fabric, [`link del ${nodePort(node)}`], signal)
  }
  if (existsSync(netnsPath(plan, node.name))) {
    await batch(cgroup, undefined, [`netns del ${namespaceName(plan, node.name)}`], signal)
  }
}

/** Routes to every node's pods, everywhere: what the ptp baseline needs, and our product never asks of a network. */
export async function addPodRoutes(
  plan: LabPlan,
  podCidrs: ReadonlyMap<string, readonly string[]>,
  signal: AbortSignal,
): Promise<void> {
  const cgroup = ensureToolsCgroup(plan.name)
  for (const place of [places.fabric, places.outside, ...plan.nodes.map((node) => node.name)]) {
    const lines = plan.nodes
      .filter((node) => node.name !== place)
      .flatMap((node) =>
        (podCidrs.get(node.name) ?? []).map((cidr) => {
          const family = familyOf(cidr)
          const viaNode = node.addresses[plan.ipFamilies.indexOf(family)]
          return `route replace ${cidr} via ${place === places.outside ? outsideAddresses.gateway[family] : viaNode}`
        }),
      )
    await batch(cgroup, namespaceName(plan, place), lines, signal)
  }
}

/** The third byte of a 172.30.N.0/24 that nothing on this machine uses. @param taken numbers of other labs */
export function freeIndex(taken: ReadonlySet<number>, routes: readonly string[]): number | undefined {
  for (let index = 0; index < 256; index++) {
    const used = routes.some((route) => route === underlay(index, 'ipv4') || route.startsWith(`172.30.${index}.`))
    if (!taken.has(index) && !used) return index
  }
  return undefined
}

/** Destinations in the machine's main routing tables. */
export async function machineRoutes(): Promise<readonly string[]> {
  const listed = JSON.parse(await runTool('ip', ['-4', '-j', 'route', 'show'])) as {dst: string}[]
  return listed.map((route) => route.dst)
}

/** A bridge without an address of its own takes its ports' lowest: neighbours would lose it when a node comes or goes. */
function bridgeMac(plan: LabPlan): string {
  return `02:c1:ab:${plan.index.toString(16).padStart(2, '0')}:ff:01`
}

/** The port of a node on the bridge. Nodes may have longer names than devices can. */
function nodePort(node: LabNode): string {
  return `port${node.number}`
}

function claim(plan: LabPlan, record: LabRecord, made: Made, exists: boolean): void {
  if (exists && !record.has(made)) fail(LAB_NOT_OURS, {kind: made.kind, id: made.id, name: plan.name})
  record.add(made)
}

function missingNamespaces(names: readonly string[]): string[] {
  const have = new Set(existsSync(netnsFolder) ? readdirSync(netnsFolder) : [])
  return names.filter((name) => !have.has(name)).map((name) => `netns add ${name}`)
}

function hostAddress(plan: LabPlan, family: LabFamily, host: number): string {
  return `${underlayHost(plan.index, family, host)}/${prefixLength(family)}`
}

/** `replace` makes it repeatable; nodad because nobody else has these addresses and nobody should wait for that. */
function addressLines(device: string, address: string): readonly string[] {
  return [`address replace ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`]
}

/** Partial checksums survive into frames that native XDP programs see: the far ends must not leave any. */
function checksumsInSoftware(devices: readonly string[]): string {
  return devices.map((device) => `ethtool -K ${device} tx off`).join(' && ')
}

async function devicesOf(netns: string, cgroup: string): Promise<ReadonlySet<string>> {
  if (!existsSync(join(netnsFolder, netns))) return new Set()
  const listed = JSON.parse((await runTool('ip', ['-n', netns, '-j', 'link', 'show'], {cgroup})) || '[]')
  return new Set((listed as {ifname: string}[]).map((link) => link.ifname))
}

async function batch(
  cgroup: string,
  netns: string | undefined,
  lines: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (lines.length === 0) return
  const args = netns === undefined ? ['-batch', '-'] : ['-n', netns, '-batch', '-']
  await runTool('ip', args, {input: `${lines.join('\n')}\n`, cgroup, signal})
}

/** `ip netns exec` would remount /sys; nsenter changes the network and nothing else. */
async function inNamespace(cgroup: string, netns: string, script: string, signal: AbortSignal): Promise<void> {
  await runTool('nsenter', [`--net=${join(netnsFolder, netns)}`, 'sh', '-ec', script], {cgroup, signal})
}
