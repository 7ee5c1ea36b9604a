/** What the bug tool runs on a node. Nothing that shows environments, process arguments, or files of other programs. */

export interface GatheredCommand {
  readonly file: string
  readonly command: readonly string[]
}

const agent = (file: string, ...words: string[]): GatheredCommand => ({
  file: `cmd/cilium-${file}`,
  command: ['cilium-dbg', ...words],
})
const system = (file: string, ...command: string[]): GatheredCommand => ({file: `cmd/${file}.txt`, command})

export const gathered: readonly GatheredCommand[] = [
  agent('status.txt', 'status', '--verbose'),
  agent('status.json', 'status', '-o', 'json'),
  agent('version.txt', 'version'),
  agent('debuginfo.md', 'debuginfo'),
  agent('config.txt', 'config', '--all'),
  agent('statedb.json', 'statedb', 'dump'),
  agent('endpoint-list.json', 'endpoint', 'list', '-o', 'json'),
  agent('identity-list.json', 'identity', 'list', '-o', 'json'),
  agent('ip-list.json', 'ip', 'list', '-o', 'json'),
  agent('node-list.txt', 'node', 'list'),
  agent('service-list.json', 'service', 'list', '-o', 'json'),
  agent('policy.json', 'policy', 'get', '-o', 'json'),
  agent('metrics-list.txt', 'metrics', 'list'),
  agent('map-list.txt', 'map', 'list'),
  agent('bpf-endpoint-list.txt', 'bpf', 'endpoint', 'list'),
  agent('bpf-ipcache-list.txt', 'bpf', 'ipcache', 'list'),
  agent('bpf-lb-list.txt', 'bpf', 'lb', 'list'),
  agent('bpf-metrics-list.txt', 'bpf', 'metrics', 'list'),
  agent('bpf-ct-list.txt', 'bpf', 'ct', 'list', 'global'),
  agent('bpf-nat-list.txt', 'bpf', 'nat', 'list'),
  system('uname', 'uname', '-a'),
  system('uptime', 'cat', '/proc/uptime'),
  system('meminfo', 'cat', '/proc/meminfo'),
  system('mounts', 'cat', '/proc/self/mounts'),
  system('cgroups', 'cat', '/proc/self/cgroup'),
  system('ip-address', 'ip', '-d', '-s', 'address'),
  system('ip-route', 'ip', 'route', 'show', 'table', 'all'),
  system('ip6-route', 'ip', '-6', 'route', 'show', 'table', 'all'),
  system('ip-rule', 'ip', 'rule'),
  system('ip6-rule', 'ip', '-6', 'rule'),
  system('ip-neighbour', 'ip', 'neighbour'),
  system('tc-qdisc', 'tc', 'qdisc'),
  system('sockets', 'ss', '-s'),
  system('listening', 'ss', '-ltnu'),
  system('bpf-net', 'bpftool', 'net', 'show'),
  system('bpf-links', 'bpftool', 'link', 'show'),
  system('bpf-pins', 'find', '/sys/fs/bpf/cilium', '-maxdepth', '4'),
  system('sysctl-net', 'sysctl', 'net.ipv4.conf.all.rp_filter', 'net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'),
  system('cni-config', 'sh', '-c', 'head -c 65536 /host/etc/cni/net.d/*cilium* 2>/dev/null'),
]
