import {describe, expect, test} from 'vitest'
import {parse} from 'yaml'
import {ptpConfig} from '../../../src/lab/baseline.ts'
import {apiServerCommand, controllerManagerCommand} from '../../../src/lab/control-plane.ts'
import {corednsObjects} from '../../../src/lab/coredns.ts'
import {bootScript} from '../../../src/lab/node-boot.ts'
import {containerdConfig, kubeletConfig, nodeEtcFiles} from '../../../src/lab/node-config.ts'
import {planLab} from '../../../src/lab/plan.ts'

const plan = planLab({name: 'east', nodes: 2}, 4)
const node = plan.nodes[1]!

describe("a node's files", () => {
  test('tell kubelet its own cgroup, its runtime and the cluster DNS', () => {
    const config = parse(kubeletConfig(plan, node))

    expect(config).toMatchObject({
      cgroupRoot: '/cilium-lab-east/node2',
      containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
      clusterDNS: ['10.96.0.10'],
      authentication: {anonymous: {enabled: false}},
      authorization: {mode: 'Webhook'},
    })
  })

  test('let containers restart at once where kubelet knows how', () => {
    const older = {...plan, kubernetes: 'v1.31.9'}

    expect(parse(kubeletConfig(plan, node)).crashLoopBackOff).toEqual({maxContainerRestartPeriod: '1s'})
    expect(parse(kubeletConfig(older, node)).crashLoopBackOff).toBeUndefined()
  })

  test('name the outside DNS server of each family', () => {
    const files = nodeEtcFiles(plan, node, 'id')

    expect(files.get('resolv.conf')).toBe('nameserver 203.0.113.53\nnameserver 2001:db8:113::53\n')
    expect(files.get('hosts')).toContain('fd00:172:30:4::12 node2\n')
    expect(files.get('containerd/config.toml')).toBe(containerdConfig())
  })
})

test('the start-up script quotes a folder with odd characters', () => {
  const script = bootScript(plan, node, {binDir: "/it's here", init: '/i', cgroup2: '/c', bootId: 'b'})

  expect(script).toContain(`mount --bind '/it'\\''s here' `)
})

describe('the control plane', () => {
  test('listens on both families when there are two, and tells the primary address', () => {
    const flags = apiServerCommand(plan, '/bin')

    expect(flags).toContain('--bind-address=::')
    expect(flags).toContain('--advertise-address=172.30.4.2')
    expect(flags).toContain('--service-cluster-ip-range=10.96.0.0/16,fd00:10:96::/112')
  })

  test('cuts pod CIDRs for each family', () => {
    const single = planLab({ipFamilies: ['ipv6']}, 0)

    expect(controllerManagerCommand(plan, '/bin')).toEqual(
      expect.arrayContaining(['--node-cidr-mask-size-ipv4=24', '--node-cidr-mask-size-ipv6=64']),
    )
    expect(controllerManagerCommand(single, '/bin')).toContain('--node-cidr-mask-size=64')
  })
})

test('CoreDNS may list and watch what it serves and nothing else', () => {
  const role = corednsObjects(plan).find((one) => 'rules' in one.object)!.object as {
    rules: {verbs: string[]; resources: string[]}[]
  }

  expect(role.rules.flatMap((rule) => rule.resources).sort()).toEqual([
    'endpointslices',
    'namespaces',
    'pods',
    'services',
  ])
  expect(new Set(role.rules.flatMap((rule) => rule.verbs))).toEqual(new Set(['list', 'watch']))
})

test('the ptp baseline has a range and a default route per family', () => {
  expect(ptpConfig(['10.244.1.0/24', 'fd00:10:244:1::/64'], 1400)).toMatchObject({
    plugins: [
      {
        mtu: 1400,
        ipam: {
          ranges: [[{subnet: '10.244.1.0/24'}], [{subnet: 'fd00:10:244:1::/64'}]],
          routes: [{dst: '0.0.0.0/0'}, {dst: '::/0'}],
        },
      },
    ],
  })
})
