import type {KubeProxyReplacement} from '../../api/models.ts'
import type {Row} from '../render/table.ts'
import {isOn, onOff} from './feature-words.ts'

/** The details of service load balancing in `cilium-dbg status --verbose`. */
export function serviceFeatureRows(services: KubeProxyReplacement | undefined): Row[] {
  if (services === undefined) return []
  const {features} = services
  const rows: Row[] = [['KubeProxyReplacement Details:'], ['  Status:', services.mode ?? '']]
  if (features === undefined || services.mode === 'False') return rows
  const {nodePort, nat46X64} = features
  rows.push(
    ['  Socket LB:', onOff(isOn(features.socketLB))],
    ['  Socket LB Tracing:', onOff(isOn(features.socketLBTracing))],
    ['  Socket LB Coverage:', features.bpfSocketLBHostnsOnly === true ? 'Hostns-only' : 'Full'],
  )
  const devices = (services.deviceList ?? []).map(({name = '', ip}) => {
    const direct = name === services.directRoutingDevice ? ' (Direct Routing)' : ''
    return `${name}   ${(ip ?? []).join(' ')}${direct}`
  })
  if (devices.length > 0) rows.push(['  Devices:', devices.join(', ')])
  if (isOn(nodePort)) {
    rows.push(['  Mode:', nodePort?.mode ?? ''])
    if (nodePort?.mode !== 'SNAT') rows.push(['    DSR Dispatch Mode:', nodePort?.dsrMode ?? ''])
    const maglev = nodePort?.algorithm === 'Maglev' ? ` (Table Size: ${nodePort.lutSize ?? 0})` : ''
    rows.push(['  Backend Selection:', `${nodePort?.algorithm ?? ''}${maglev}`])
  }
  rows.push(['  Session Affinity:', onOff(isOn(features.sessionAffinity))])
  if (isOn(nat46X64)) {
    rows.push(
      ['  NAT46/64 Support:'],
      ['  - Services:', onOff(isOn(nat46X64?.service))],
      ['  - Gateway:', onOff(isOn(nat46X64?.gateway))],
    )
    const prefixes = nat46X64?.gateway?.prefixes ?? []
    if (prefixes.length > 0) rows.push(['    Prefixes:', prefixes.join(', ')])
  } else rows.push(['  NAT46/64 Support:', 'Disabled'])
  if (isOn(nodePort)) rows.push(['  XDP Acceleration:', nodePort?.acceleration ?? 'Disabled'])
  rows.push(
    ['  Services:'],
    ['  - ClusterIP:', 'Enabled'],
    [
      '  - NodePort:',
      isOn(nodePort) ? `Enabled (Range: ${nodePort?.portMin ?? 0}-${nodePort?.portMax ?? 0})` : 'Disabled',
    ],
    ['  - LoadBalancer:', onOff(isOn(nodePort))],
    ['  - externalIPs:', onOff(isOn(features.externalIPs))],
    ['  - HostPort:', onOff(isOn(features.hostPort))],
  )
  const annotations = features.annotations ?? []
  rows.push(
    ['  Annotations:', ...(annotations.length === 0 ? ['(n/a)'] : [])],
    ...annotations.map((one) => [`  - ${one}`]),
  )
  return rows
}
