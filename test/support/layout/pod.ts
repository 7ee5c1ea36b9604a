/** The pod of the tests of layout changes, and its node. */
export const layoutPod = {
  ifindex: 4097,
  ipv4: '10.0.1.10',
  ipv6: 'fd00:1::10',
  nodeIpv4: '192.168.0.1',
  nodeIpv6: 'fd00:192::1',
  mac: '02:00:00:00:aa:01',
  nodeMac: '02:00:00:00:aa:02',
} as const
