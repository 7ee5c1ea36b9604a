import {testClusterOfPods} from './cluster-of-pods.ts'

testClusterOfPods('vxlan', [])
