/** Rows that default everything a test does not care about. */
import type {EndpointRow} from '../../../src/agent/state/rows.ts'
import {identity} from '../../../src/model/identity.ts'
import {Ip} from '../../../src/model/ip.ts'
import {LabelSet} from '../../../src/model/labels.ts'
import {Mac} from '../../../src/model/mac.ts'

export function endpoint(more: Partial<EndpointRow> & {readonly id: number}): EndpointRow {
  const {id} = more
  return {
    generation: 1,
    kind: 'pod',
    state: 'ready',
    containerId: `container${id}`,
    ifname: 'eth0',
    netns: `/var/run/netns/cni-${id}`,
    netnsInode: `4:${id}`,
    bootId: 'boot',
    namespace: 'default',
    pod: `pod${id}`,
    podUid: `uid${id}`,
    hostDevice: `lxc${id}`,
    ifindex: 4096 + id,
    mac: Mac.of('02:00:00:00:01:01'),
    hostMac: Mac.of('02:00:00:00:01:02'),
    ipv4: Ip.of(`10.0.1.${id}`),
    ipv6: Ip.of(`fd00:1::${id}`),
    createdAt: 1_750_000_000_000,
    labels: LabelSet.parse(['k8s:app=web']),
    allLabels: LabelSet.parse(['k8s:app=web', 'k8s:pod-template-hash=x']),
    identity: identity(4711),
    log: [],
    ...more,
  }
}
