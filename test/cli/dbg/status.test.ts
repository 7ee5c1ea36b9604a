import {expect, test} from 'vitest'
import type {HealthStatusResponse, StatusResponse} from '../../../src/api/models.ts'
import {fakeAgent} from '../support/fake-agent.ts'
import {runProgram} from '../support/program.ts'

const on = {enabled: true}
const off = {}

const status: StatusResponse = {
  kvstore: {state: 'Disabled'},
  kubernetes: {
    state: 'Ok',
    msg: '1.35 (v1.35.1) [linux/amd64]',
    'k8s-api-versions': ['core/v1::Pods', 'cilium/v2::CiliumNode'],
  },
  'kube-proxy-replacement': {
    mode: 'True',
    devices: ['eth0'],
    deviceList: [{name: 'eth0', ip: ['192.0.2.11', 'fd00::b']}],
    directRoutingDevice: 'eth0',
    features: {
      annotations: [],
      socketLB: on,
      socketLBTracing: off,
      sessionAffinity: on,
      externalIPs: on,
      hostPort: on,
      nat46X64: off,
      nodePort: {enabled: true, mode: 'SNAT', algorithm: 'Maglev', lutSize: 16381, portMin: 30000, portMax: 32767},
    },
  },
  'host-firewall': {mode: 'Disabled', devices: null},
  srv6: {},
  'cni-chaining': {mode: 'none'},
  'cni-file': {state: 'Ok', msg: 'successfully wrote CNI configuration file to /host/etc/cni/net.d/05-cilium.conflist'},
  cilium: {state: 'Ok', msg: '1.20.0 (v1.20.0-abc1234)'},
  nodeMonitor: {cpus: 2, npages: 64, pagesize: 4096, lost: 3},
  cluster: {ciliumHealth: {state: 'Ok'}, nodes: null, self: 'demo/n1'},
  ipam: {
    ipv4: [],
    ipv6: [],
    status: 'IPv4: 5/254 allocated from 10.0.0.0/24, ',
    allocations: {'10.0.0.9': 'demo/web', '10.0.0.1': 'router'},
  },
  'ipv4-big-tcp': {},
  'ipv6-big-tcp': {enabled: true, maxGRO: 196608, maxGSO: 196608},
  'bandwidth-manager': {devices: null},
  routing: {'inter-host-routing-mode': 'Tunnel', 'intra-host-routing-mode': 'BPF', 'tunnel-protocol': 'vxlan'},
  'attach-mode': 'tcx',
  'datapath-mode': 'veth',
  'configured-datapath-mode': 'auto',
  'program-generation': {generation: 4, version: '0.1.0', since: '2026-01-05T09:00:00.000Z'},
  masquerading: {
    enabled: true,
    mode: 'BPF',
    enabledProtocols: {ipv4: true},
    'snat-exclusion-cidr-v4': '10.0.0.0/8',
  },
  'clock-source': {mode: 'ktime'},
  controllers: [
    {
      name: 'cilium-health-ep',
      status: {'last-success-timestamp': '0001-01-01T00:00:00.000Z', 'last-failure-timestamp': ''},
    },
    {
      name: 'sync-ipcache',
      status: {
        'consecutive-failure-count': 2,
        'last-failure-msg': 'map is full',
        'last-failure-timestamp': '0001-01-01T00:00:00.000Z',
        'last-success-timestamp': '0001-01-01T00:00:00.000Z',
      },
    },
  ],
  'identity-range': {'min-identity': 256, 'max-identity': 65535},
  hubble: {
    state: 'Ok',
    observer: {'current-flows': 1024, 'max-flows': 4095, 'seen-flows': 6000, uptime: '1m40s'},
  },
  'hubble-metrics': {state: 'Disabled'},
  'bpf-maps': {maps: [{name: 'Endpoints', size: 65535}]},
  encryption: {mode: 'Disabled'},
}

const health: HealthStatusResponse = {
  local: {name: 'demo/n1'},
  timestamp: '2026-01-05T10:00:00Z',
  probeInterval: '1m36s',
  nodes: [node('demo/n2', '192.0.2.12', 'Connection timed out'), node('demo/n1', '192.0.2.11', '')],
}

function node(name: string, ip: string, failure: string) {
  const path = (probe: string) => ({
    ip,
    icmp: {latency: 350_000, status: probe},
    http: {latency: 1_200_000, status: ''},
  })
  return {
    name,
    host: {'primary-address': path(failure), 'secondary-addresses': []},
    'health-endpoint': {'primary-address': path(''), 'secondary-addresses': []},
  }
}

async function agentOf(answer: StatusResponse) {
  const agent = await fakeAgent({'GET /v1/healthz': answer, 'GET /v1beta/status': health})
  return Object.assign(agent, {env: {CILIUM_HEALTH_SOCK: agent.host}})
}

test('the status is told line by line', async () => {
  await using agent = await agentOf(status)

  const {stdout, stderr, exitCode} = await runProgram('cilium-dbg', ['status', '-H', agent.host], agent)

  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
  expect(stdout).toBe(`KVStore:                 Disabled   
Kubernetes:              Ok         1.35 (v1.35.1) [linux/amd64]
Kubernetes APIs:         ["cilium/v2::CiliumNode", "core/v1::Pods"]
KubeProxyReplacement:    True   [eth0   192.0.2.11 fd00::b (Direct Routing)]
Host firewall:           Disabled
SRv6:                    Disabled
CNI Chaining:            none
CNI Config file:         successfully wrote CNI configuration file to /host/etc/cni/net.d/05-cilium.conflist
Cilium:                  Ok   1.20.0 (v1.20.0-abc1234)
NodeMonitor:             Listening for events on 2 CPUs with 64x4096 of shared memory
                         3 events lost, 0 unknown notifications
Cilium health daemon:    Ok   
IPAM:                    IPv4: 5/254 allocated from 10.0.0.0/24, 
IPv4 BIG TCP:            Disabled
IPv6 BIG TCP:            Enabled   [196608, 196608]
BandwidthManager:        Disabled
Routing:                 Network: Tunnel [vxlan]   Host: BPF
Attach Mode:             TCX
Device Mode:             veth [Configured: auto]
Programs:                generation 4 (0.1.0) since 2026-01-05T09:00:00.000Z
Masquerading:            BPF   [eth0]   10.0.0.0/8 [IPv4: Enabled, IPv6: Disabled]
Controller Status:       1/2 healthy
  Name                   Last success   Last error   Count   Message       
  sync-ipcache           never          never        2       map is full   
Proxy Status:            No managed proxy redirect
Global Identity Range:   min 256, max 65535
Hubble:                  Ok              Current/Max Flows: 1024/4095 (25.01%), Flows/s: 60.00   Metrics: Disabled
Encryption:              Disabled        
Cluster health:          1/2 reachable   (2026-01-05T10:00:00Z)   (Probe interval: 1m36s)
Name                     IP              Node                     Endpoints
  demo/n1 (localhost)    192.0.2.11      1/1                      1/1
  demo/n2                192.0.2.12      0/1                      1/1
`)
})

test('verbose adds addresses, all controllers, service details, maps and paths', async () => {
  await using agent = await agentOf(status)

  const {stdout} = await runProgram('cilium-dbg', ['status', '--verbose', '-H', agent.host], agent)

  for (const line of [
    /^Allocated addresses:\n {2}10\.0\.0\.1 \(router\)\n {2}10\.0\.0\.9 \(demo\/web\)$/m,
    /^Clock Source for BPF: +ktime$/m,
    /^KubeProxyReplacement Details:$/m,
    /^ {2}- NodePort: +Enabled \(Range: 30000-32767\)$/m,
    /^BPF Maps: +dynamic sizing: off$/m,
    /^ {2}Endpoints +65535$/m,
    /^ {4}Host connectivity to 192\.0\.2\.12:$/m,
  ]) {
    expect(stdout).toMatch(line)
  }
  expect(stdout).toMatch(/^ {2}Backend Selection: +Maglev \(Table Size: 16381\)$/m)
  expect(stdout).toMatch(/^ {6}ICMP to stack: +Connection timed out/m)
  expect(stdout).toMatch(/^ {6}HTTP to agent: +OK, RTT=1\.2ms/m)
})

test('the details of a feature that the agent does not name are read as off', async () => {
  await using agent = await agentOf({
    ...status,
    'kube-proxy-replacement': {mode: 'True', devices: null, deviceList: null, features: {annotations: null}},
  })

  const {stdout, exitCode} = await runProgram('cilium-dbg', ['status', '--verbose', '-H', agent.host], agent)

  expect(exitCode).toBe(0)
  expect(stdout).toMatch(/Socket LB: +Disabled/)
})

test('an agent in failure says so, leaves out the cluster and exits with 1', async () => {
  await using agent = await agentOf({...status, cilium: {state: 'Failure', msg: 'no BPF'}})

  const {stdout, exitCode} = await runProgram('cilium-dbg', ['status', '-H', agent.host], agent)

  expect(exitCode).toBe(1)
  expect(stdout).toContain('Cilium:                  Failure   no BPF\n')
  expect(stdout).not.toContain('Cluster health')
})

test('brief is OK', async () => {
  await using agent = await agentOf({cilium: {state: 'Ok'}})

  const {stdout, exitCode} = await runProgram('cilium-dbg', ['status', '--brief', '-H', agent.host], agent)

  expect(stdout).toBe('OK\n')
  expect(exitCode).toBe(0)
  expect(agent.calls[0]!.headers).toMatchObject({brief: 'true', 'require-k8s-connectivity': 'true', host: 'localhost'})
})

test('brief names the first thing that is wrong', async () => {
  await using agent = await agentOf({cilium: {state: 'Warning', msg: 'starting'}})

  const {stdout, exitCode} = await runProgram('cilium-dbg', ['status', '--brief', '-H', agent.host], agent)

  expect(stdout).toBe('error in cilium: starting\n')
  expect(exitCode).toBe(1)
})

test('JSON is the answer of the agent, with nothing on stderr', async () => {
  await using agent = await agentOf(status)

  const {stdout, stderr} = await runProgram('cilium-dbg', ['status', '-o', 'json', '-H', agent.host], agent)

  expect(JSON.parse(stdout)).toEqual(status)
  expect(stderr).toBe('')
})

test('an agent that does not answer is unreachable, in text and in JSON', async () => {
  const text = await runProgram('cilium-dbg', ['status', '-H', 'unix:///nowhere.sock'])
  const json = await runProgram('cilium-dbg', ['status', '-o', 'json', '-H', 'unix:///nowhere.sock'])

  expect(text.exitCode).toBe(1)
  expect(text.stderr).toContain('cilium: daemon unreachable at unix:///nowhere.sock: there is no such socket')
  expect(json.exitCode).toBe(1)
  expect(json.stderr).toBe('')
  expect(JSON.parse(json.stdout)).toMatchObject({error: {code: 'AGENT_UNREACHABLE'}})
})
