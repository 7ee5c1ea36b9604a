import {testClusterOfPods} from './cluster-of-pods.ts'

testClusterOfPods('native', [
  'routingMode=native',
  'autoDirectNodeRoutes=true',
  'ipv4NativeRoutingCIDR=10.244.0.0/16',
  'ipv6NativeRoutingCIDR=fd00:10:244::/56',
])
