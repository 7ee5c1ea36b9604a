/** Configuration files of a node, as text. Pure. */
import {stringify} from 'yaml'
import {labCgroupName} from './cgroup.ts'
import {type LabNode, type LabPlan, outsideAddresses, serviceAddresses} from './plan.ts'

/** Never pulled: every node gets it from the lab. */
export const pauseImage = 'lab.cilium.local/pause:1'

/** Paths inside the node. */
export const nodeFolders = {
  binaries: '/run/lab/bin',
  containerdSocket: '/run/containerd/containerd.sock',
  containerdConfig: '/etc/containerd/config.toml',
  kubeletConfig: '/etc/kubernetes/kubelet.yaml',
} as const

/** containerd 1.6 or newer (configuration version 2). */
export function containerdConfig(): string {
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "${nodeFolders.containerdSocket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  # machines without CAP_SYS_RESOURCE cannot lower a score
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
`
}

export function kubeletConfig(plan: LabPlan, node: LabNode): string {
  const minor = Number(plan.kubernetes.split('.')[1])
  return stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: {enabled: false},
      webhook: {enabled: true},
      x509: {clientCAFile: '/etc/kubernetes/pki/ca.crt'},
    },
    authorization: {mode: 'Webhook'},
    tlsCertFile: '/etc/kubernetes/pki/kubelet.crt',
    tlsPrivateKeyFile: '/etc/kubernetes/pki/kubelet.key',
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${labCgroupName(plan.name)}/${node.name}`,
    failCgroupV1: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    localStorageCapacityIsolation: false,
    containerRuntimeEndpoint: `unix://${nodeFolders.containerdSocket}`,
    resolvConf: '/etc/resolv.conf',
    clusterDNS: [serviceAddresses(plan, 10)[0]],
    clusterDomain: 'cluster.local',
    // Images come from the lab and from nowhere else: never take them away because a disk is full.
    imageGCHighThresholdPercent: 100,
    evictionHard: {'nodefs.available': '1%', 'imagefs.available': '1%', 'memory.available': '100Mi'},
    syncFrequency: '10s',
    nodeStatusUpdateFrequency: '5s',
    // Tests kill containers; the stock back-off of up to five minutes would be all they measure.
    ...(minor < 32
      ? {}
      : {featureGates: {KubeletCrashLoopBackOffMax: true}, crashLoopBackOff: {maxContainerRestartPeriod: '1s'}}),
  })
}

/** Files under the node's /etc, by relative path. Credentials are written by credentials.ts. */
export function nodeEtcFiles(plan: LabPlan, node: LabNode, machineId: string): ReadonlyMap<string, string> {
  const own = node.addresses.map((address) => `${address} ${node.name}\n`).join('')
  const servers = plan.ipFamilies.map((family) => `nameserver ${outsideAddresses.dns[family]}\n`).join('')
  return new Map([
    ['hostname', `${node.name}\n`],
    ['hosts', `127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n${own}`],
    ['machine-id', `${machineId}\n`],
    ['resolv.conf', servers],
    ['containerd/config.toml', containerdConfig()],
    ['kubernetes/kubelet.yaml', kubeletConfig(plan, node)],
  ])
}
