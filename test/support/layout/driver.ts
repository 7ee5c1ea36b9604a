/**
 * What an agent does with generations, for one pod that talks to its node, as a process that can be killed at any step.
 *
 *     driver.ts open  <pins> <objects> <netns> [<step to die at>]
 *     driver.ts flows <pins>
 */
import {Attachments} from '../../../src/datapath/attach.ts'
import {addressFlags, ruleSetNumber} from '../../../src/datapath/gen/enums.ts'
import {ciliumIpcache, ciliumLxc} from '../../../src/datapath/gen/maps.ts'
import {addressZero, type Config, configCodec, endpointZero} from '../../../src/datapath/gen/types.ts'
import {openGeneration} from '../../../src/datapath/generation.ts'
import {pinnedMaps, readFlows} from '../../../src/datapath/maps/open.ts'
import {BpfMap} from '../../../src/kernel/bpf/map.ts'
import {NetlinkSocket} from '../../../src/kernel/netlink/socket.ts'
import {inNetns} from '../../../src/kernel/netns.ts'
import {Ip} from '../../../src/model/ip.ts'
import {Mac} from '../../../src/model/mac.ts'
import {defaultConfig} from '../../bpf/node.ts'
import {layoutPod} from './pod.ts'

const [command, pins = '', objects = '', netns = '', dieAt] = process.argv.slice(2)

if (command === 'flows') {
  const flows = [...readFlows(pinnedMaps(pins))].map(([key, {created, packets}]) => ({
    ports: [key.sport, key.dport],
    proto: key.proto,
    family: Ip.fromBytes(key.src).family,
    created: String(created),
    packets: Number(packets),
  }))
  console.log(JSON.stringify(flows))
} else {
  inNetns(netns, open)
}

function open(): void {
  const config = (generation: number) => {
    const bytes = new Uint8Array(configCodec.size)
    const own: Config = {...defaultConfig, test: 0, timerIntervalMs: 20, generation}
    configCodec.encode(own, new DataView(bytes.buffer), 0)
    return bytes
  }
  const generation = openGeneration({
    root: pins,
    objects,
    config,
    onStep: (step) => {
      if (step === dieAt) process.kill(process.pid, 'SIGKILL')
    },
  })
  using endpoints = new BpfMap(generation.map('cilium_lxc'), ciliumLxc)
  using addresses = new BpfMap(generation.map('cilium_ipcache'), ciliumIpcache)
  endpoints.put(1, {
    ...endpointZero,
    ifindex: layoutPod.ifindex,
    identity: 1001,
    id: 1,
    generation: 1,
    egressSet: ruleSetNumber.SET_OPEN,
    ingressSet: ruleSetNumber.SET_OPEN,
    v4: parseIp(layoutPod.ipv4).toMappedBytes(),
    v6: parseIp(layoutPod.ipv6).toMappedBytes(),
    mac: Mac.of(layoutPod.mac).toBytes(),
    nodeMac: Mac.of(layoutPod.nodeMac).toBytes(),
  })
  for (const ip of [layoutPod.ipv4, layoutPod.ipv6])
    addresses.put(parseIp(ip).toMappedBytes(), {...addressZero, identity: 1001, endpoint: 1 | (1 << 16)})
  for (const ip of [layoutPod.nodeIpv4, layoutPod.nodeIpv6])
    addresses.put(parseIp(ip).toMappedBytes(), {...addressZero, identity: 1, flags: addressFlags.ADDRESS_LOCAL_HOST})
  const socket = new NetlinkSocket()
  const attachments = new Attachments(pins, 'tc', socket)
  const attach = () => {
    const hook = {ifindex: layoutPod.ifindex}
    attachments.attach({...hook, direction: 'ingress'}, generation.hookProgram('cil_from_container'))
    if (dieAt === 'between-hooks') process.kill(process.pid, 'SIGKILL')
    attachments.attach({...hook, direction: 'egress'}, generation.hookProgram('cil_to_container'))
  }
  attach()
  generation.complete(attach)
  generation.close()
  socket.close()
  console.log(JSON.stringify({fresh: generation.fresh, ...generation.name}))
}

function parseIp(text: string): Ip {
  const ip = Ip.parse(text)
  if (ip === undefined) throw new Error(`${text} is no address`)
  return ip
}
