import {type ChildProcess, spawn} from 'node:child_process'
import {existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterAll, beforeAll, describe, expect, onTestFinished, test} from 'vitest'
import {findLab} from '../../src/cli/connectivity/outside.ts'
import {readNodes, readyz} from '../../src/lab/api-server.ts'
import {pauseBinary} from '../../src/lab/binaries.ts'
import {addNode, listNodes, removeNode, restartNode, startApiServer, stopApiServer} from '../../src/lab/cluster.ts'
import {writeProgramImage} from '../../src/lab/container-image.ts'
import {labDown} from '../../src/lab/down.ts'
import {execInLab} from '../../src/lab/exec.ts'
import {labLoad} from '../../src/lab/load.ts'
import {labPaths, labsFolder} from '../../src/lab/paths.ts'
import type {LabOptions, LabPlan} from '../../src/lab/plan.ts'
import {listLabs, listPlans, readPlan} from '../../src/lab/state.ts'
import {allLabStatus, labStatus} from '../../src/lab/status.ts'
import {runSteps} from '../../src/lab/steps.ts'
import {runTool} from '../../src/lab/tool.ts'
import {labUp} from '../../src/lab/up.ts'
import {waitFor} from '../../src/lab/wait.ts'

const {signal} = new AbortController()

async function up(options: LabOptions): Promise<void> {
  const work = labUp(options)
  try {
    await runSteps(work.steps, signal)
  } finally {
    work.close()
  }
}

async function down(name: string): Promise<boolean> {
  const work = labDown(name)
  try {
    await runSteps(work.steps, signal)
    return work.found
  } finally {
    work.close()
  }
}

/** Everything of a lab that can be found on this machine, by its name and number. */
function leftovers(name: string): readonly string[] {
  const found: string[] = []
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : []
  found.push(...namespaces.filter((one) => one.startsWith(`${name}-`)).map((one) => `netns ${one}`))
  const index = join(labsFolder, '.index')
  for (const number of existsSync(index) ? readdirSync(index) : []) {
    if (readFileSync(join(index, number), 'utf8') === name) found.push(`number ${number}`)
  }
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  found.push(...mounts.filter((line) => line.includes(`cilium-lab/${name}/`)))
  for (const mount of readdirSync('/sys/fs/cgroup')) {
    const folder = join('/sys/fs/cgroup', mount, `cilium-lab-${name}`)
    if (existsSync(folder)) found.push(`cgroup ${folder}`)
  }
  for (const pid of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    const text = readProcess(pid)
    if (text.cgroup.includes(`/cilium-lab-${name}/`) || text.command.includes(`cilium-lab/${name}/`)) {
      found.push(`process ${pid} ${text.command}`)
    }
  }
  const {data, run, lock} = labPaths(name)
  found.push(...[data, run, lock].filter((path) => existsSync(path)))
  return found
}

/** A zombie has no command line and is in the root of its cgroups: it is gone but for its number. */
function readProcess(pid: string): {cgroup: string; command: string} {
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    return command === '' ? {cgroup: '', command} : {cgroup: readFileSync(`/proc/${pid}/cgroup`, 'utf8'), command}
  } catch {
    return {cgroup: '', command: ''}
  }
}

async function atNode(name: string, place: string, ...argv: string[]): Promise<string> {
  const result = await execInLab(readPlan(name), place, argv)
  expect(result, argv.join(' ')).toMatchObject({status: 0})
  return result.stdout.trim()
}

describe('a lab of two nodes with names of its own', () => {
  const name = 'labtest'
  let plan: LabPlan
  let link: string
  let home: string

  beforeAll(async () => {
    home = mkdtempSync(join(tmpdir(), 'lab-test-'))
    await down(name)
    await up({name, nodeNames: ['alpha', 'beta']})
    plan = readPlan(name)
    link = `/sys/class/net/cilab${plan.index}`
  })

  afterAll(async () => {
    await down(name)
    rmSync(home, {recursive: true})
  })

  test('has both registered, with pod CIDRs of both families, waiting for a network', async () => {
    const nodes = (await readNodes(plan))!

    expect([...nodes.keys()].sort()).toEqual(['alpha', 'beta'])
    for (const node of nodes.values()) {
      expect(node.podCidrs.map((cidr) => cidr.includes(':'))).toEqual([false, true])
      expect(node.ready).toBe(false)
      expect(node.message).toMatch(/cni plugin not initialized/)
    }
  })

  test('reports every process as running and nothing wrong', async () => {
    const status = await labStatus(name)

    expect(status.problems).toEqual([])
    expect(status.apiServer).toBe('ready')
    expect(status.processes.map((one) => `${one.place} ${one.process}`).sort()).toEqual([
      'alpha containerd',
      'alpha init',
      'alpha kubelet',
      'beta containerd',
      'beta init',
      'beta kubelet',
      'control-plane etcd',
      'control-plane kube-apiserver',
      'control-plane kube-controller-manager',
      'control-plane kube-scheduler',
      'outside dns',
      'outside http',
    ])
  })

  test('lets its kubeconfig in and nobody else', async () => {
    const {kubectl, kubeconfigLink} = labPaths(name)
    const server = `https://172.30.${plan.index}.2:6443`

    const known = await runTool(kubectl, [
      '--kubeconfig',
      kubeconfigLink,
      'auth',
      'whoami',
      '-o',
      'jsonpath={.status.userInfo.username}',
    ])
    const stranger = await fetch(server, {signal: AbortSignal.timeout(3000)}).catch((thrown: Error) => thrown.cause)

    expect(known).toBe('lab-admin')
    expect(stranger).toMatchObject({code: expect.stringMatching(/SELF_SIGNED|UNABLE_TO_VERIFY/)})
  })

  test('has CoreDNS waiting and its service at the tenth address of each family', async () => {
    const {kubectl, kubeconfigLink} = labPaths(name)
    const get = (path: string, field: string) =>
      runTool(kubectl, [
        '--kubeconfig',
        kubeconfigLink,
        '-n',
        'kube-system',
        'get',
        ...path.split(' '),
        '-o',
        `jsonpath={${field}}`,
      ])

    expect(await get('service kube-dns', '.spec.clusterIPs')).toBe('["10.96.0.10","fd00:10:96::a"]')
    await waitFor('the pod', async () => (await get('pods', '.items[*].status.phase')) === 'Pending', {
      signal,
      where: 'kubectl',
    })
  })

  test('shows a node its own network, mounts, processes and host name', async () => {
    expect(await atNode(name, 'alpha', 'hostname')).toBe('alpha')
    expect(await atNode(name, 'alpha', 'ls', '/sys/class/net')).toBe('eth0\nlo')
    expect(await atNode(name, 'alpha', 'cat', '/proc/1/comm')).toBe('init')
    expect(await atNode(name, 'alpha', 'stat', '-f', '-c', '%T', '/sys/fs/bpf', '/run/cilium/cgroupv2')).toBe(
      'bpf_fs\ncgroup2fs',
    )
    expect(
      await atNode(
        name,
        'alpha',
        'sh',
        '-c',
        'ls -A /etc/cni/net.d /opt/cni/bin /var/lib/cilium /run/netns | grep -v :$',
      ),
    ).toBe('')
    expect(await atNode(name, 'alpha', 'sh', '-c', 'grep -c . /run/cilium/cgroupv2/shell/cgroup.procs')).not.toBe('0')
  })

  test('keeps what a node writes on that node', async () => {
    await atNode(
      name,
      'alpha',
      'sh',
      '-c',
      'for d in /etc /opt /run /var/lib /var/log /sys/fs/bpf; do mkdir $d/labtest-mark; done',
    )

    for (const folder of ['/etc', '/opt', '/run', '/var/lib', '/var/log', '/sys/fs/bpf']) {
      expect(existsSync(`${folder}/labtest-mark`), folder).toBe(false)
      expect((await execInLab(plan, 'beta', ['test', '-e', `${folder}/labtest-mark`])).status, folder).toBe(1)
    }
  })

  test('gives back the exit code of a command', async () => {
    expect((await execInLab(plan, 'alpha', ['sh', '-c', 'exit 7'])).status).toBe(7)
    expect((await execInLab(plan, 'outside', ['sh', '-c', 'exit 9'])).status).toBe(9)
  })

  test.each([
    ['IPv4', 'http://203.0.113.10/client', 0],
    ['IPv6', 'http://[2001:db8:113::10]/client', 1],
  ])('lets a node reach the outside by %s, which sees the node’s address', async (_, url, family) => {
    const client = await atNode(name, 'beta', 'curl', '-sS', '-m', '5', url)

    expect(client).toBe(plan.nodes[1]!.addresses[family])
  })

  test('resolves outside names on a node, by both transports', async () => {
    const script = `const {Resolver}=require('dns').promises;const r=new Resolver();r.setServers([process.argv[1]]);
      Promise.all([r.resolve4('k8s.io'),r.resolve6('a.outside.lab')]).then((x)=>console.log(x.flat().join(' ')))`

    for (const server of ['203.0.113.53', '2001:db8:113::53']) {
      expect(await atNode(name, 'alpha', process.execPath, '-e', script, server)).toBe('203.0.113.20 2001:db8:113::10')
    }
    expect(await atNode(name, 'alpha', 'getent', 'hosts', 'one.one.one.one')).toMatch(/^2606:4700:4700::1111\s/)
  })

  test.each([
    ['IPv4', '10.244.0.77', 32, 'http://203.0.113.10/', 'IpOutNoRoutes'],
    ['IPv6', 'fd00:10:244::77', 128, 'http://[2001:db8:113::10]/', 'Ip6OutNoRoutes'],
  ])(
    'has no way back from outside to a pod address of %s, and counts that',
    async (_, address, length, url, counter) => {
      const count = async () => Number((await atNode(name, 'outside', 'nstat', '-asz', counter)).split(/\s+/).at(-2))
      await atNode(name, 'alpha', 'ip', 'address', 'add', `${address}/${length}`, 'dev', 'lo')
      const before = await count()

      const tried = await execInLab(plan, 'alpha', ['curl', '-sS', '-m', '1', '--interface', address, url])

      expect(tried.status).toBe(28)
      expect(await count()).toBeGreaterThan(before)
    },
  )

  test('loads an image into every node and says its name', async () => {
    const file = join(home, 'image.tar')
    await writeProgramImage({name: 'lab.test/one:2', program: pauseBinary(), entry: 'pause'}, file)

    const work = labLoad(name, file)
    await runSteps(work.steps, signal)

    expect(work.result()).toEqual([
      {node: 'alpha', images: ['lab.test/one:2']},
      {node: 'beta', images: ['lab.test/one:2']},
    ])
  })

  test('refuses a file that is no image', async () => {
    const file = join(home, 'garbage.tar')
    writeFileSync(file, 'this is no tar')

    await expect(runSteps(labLoad(name, file, ['alpha']).steps, signal)).rejects.toMatchObject({
      code: 'LAB_IMAGE_UNREADABLE',
    })
    expect(() => labLoad(name, file, ['gamma'])).toThrow('has no node "gamma"')
  })

  test('is left as it is by a second up, and refuses to become another lab', async () => {
    const pids = () => labStatus(name).then((status) => status.processes.map((one) => one.pids))
    const before = await pids()

    await up({name})

    expect(() => labUp({name, nodeNames: ['alpha', 'beta', 'gamma']})).toThrow('exists with --node-names alpha,beta')
    expect(await pids()).toEqual(before)
  })

  test('goes on where it was after its API server was gone', async () => {
    await stopApiServer(name, signal)
    const gone = await readyz(plan)
    const status = await labStatus(name)
    await startApiServer(name, signal)

    expect(gone).toBe(false)
    expect(status.problems).toEqual([expect.stringMatching(/^kube-apiserver of control-plane does not run/)])
    expect(await readyz(plan)).toBe(true)
  })

  test('reboots a node: processes, namespaces and /run new, disk and address as they were', async () => {
    const bootIdOf = async () => await atNode(name, 'beta', 'cat', '/proc/sys/kernel/random/boot_id')
    await atNode(name, 'beta', 'sh', '-c', 'echo kept > /var/lib/cilium/mark; echo lost > /run/mark')
    const [before, bootId] = [listNodes(name)[1]!, await bootIdOf()]

    await restartNode(name, 'beta', signal)

    const after = listNodes(name)[1]!
    expect(after.initPid).not.toBe(before.initPid)
    expect(after.addresses).toEqual(before.addresses)
    expect(await bootIdOf()).not.toBe(bootId)
    expect(await atNode(name, 'beta', 'cat', '/var/lib/cilium/mark')).toBe('kept')
    expect((await execInLab(plan, 'beta', ['test', '-e', '/run/mark'])).status).toBe(1)
    expect(await atNode(name, 'beta', 'curl', '-sS', '-m', '5', 'http://203.0.113.10/client')).toBe(after.addresses[0])
  })

  test('takes a node in and lets it go, and the others keep their way to the API server', async () => {
    const bridgeMac = async () => (await atNode(name, 'fabric', 'ip', '-br', 'link', 'show', 'br0')).split(/\s+/)[2]
    const before = await bridgeMac()
    const added = await addNode(name, 'gamma', signal)
    const seen = (await readNodes(plan))!
    await removeNode(name, 'gamma', signal)

    expect(added.addresses).toEqual([`172.30.${plan.index}.13`, expect.stringContaining('::13')])
    expect([...seen.keys()].sort()).toEqual(['alpha', 'beta', 'gamma'])
    expect([...(await readNodes(plan))!.keys()].sort()).toEqual(['alpha', 'beta'])
    expect(existsSync(`/run/netns/${name}-gamma`)).toBe(false)
    // an address of its own: that of its lowest port would change, and every neighbour would lose its way for a while
    expect(before).toMatch(/^02:c1:ab:..:ff:01$/)
    expect(await bridgeMac()).toBe(before)
  })

  test('leaves nothing when it is taken down, and a second time there is nothing to do', async () => {
    expect(leftovers(name)).not.toEqual([])
    expect(existsSync(link)).toBe(true)

    expect(await down(name)).toBe(true)

    expect(leftovers(name)).toEqual([])
    expect(existsSync(link)).toBe(false)
    expect(await down(name)).toBe(false)
  })
})

test('a lab that somebody is making or taking down is none, and disturbs nobody who looks for labs', async () => {
  const folder = labPaths('t-halfway').data
  mkdirSync(folder, {recursive: true})
  onTestFinished(() => rmSync(folder, {recursive: true, force: true}))

  expect(listLabs()).toContain('t-halfway')
  expect(listPlans().map(({name}) => name)).not.toContain('t-halfway')
  expect(findLab('https://192.0.2.1:6443')).toBeUndefined()
  expect((await allLabStatus()).map(({name}) => name)).not.toContain('t-halfway')
})

describe('a lab that cannot be', () => {
  const name = 'labnot'

  test('for its version leaves nothing behind', async () => {
    await expect(up({name, kubernetes: 'v1.31.0'})).rejects.toMatchObject({code: 'LAB_VERSION_UNSUPPORTED'})

    expect(leftovers(name)).toEqual([])
  })

  test('for want of binaries in the given folder leaves nothing behind', async () => {
    await expect(up({name, binDir: '/usr/bin'})).rejects.toMatchObject({code: 'LAB_PREREQUISITE'})

    expect(leftovers(name)).toEqual([])
  })
})

describe('a lab whose making was killed', () => {
  const name = 'labkill'
  const command = join(import.meta.dirname, '../../bin/cilium.js')
  const running = (pattern: string) => readdirSync('/proc').some((pid) => readProcess(pid).command.includes(pattern))

  /** Runs `lab up` until something is there, then kills it with no chance to tidy up. */
  async function killedUp(what: string, isThere: () => boolean): Promise<void> {
    const child: ChildProcess = spawn(process.execPath, [command, 'lab', 'up', '--name', name, '--nodes', '2'], {
      stdio: 'ignore',
    })
    const ended = new Promise((resolve) => child.on('exit', resolve))
    onTestFinished(() => void child.kill('SIGKILL'))
    await waitFor(what, isThere, {signal, everyMs: 1, timeoutMs: 30_000, where: `cilium lab up --name ${name}`})
    child.kill('SIGKILL')
    await ended
  }

  afterAll(async () => void (await down(name)))

  test.each<[string, () => boolean]>([
    ['its record was begun', () => existsSync(labPaths(name).record)],
    ['its first namespace was made', () => existsSync(`/run/netns/${name}-fabric`)],
    ['a node was on its way up', () => existsSync(labPaths(name).node('node1').init)],
    ['containerd ran', () => existsSync(labPaths(name).node('node2').containerd)],
    ['the API server had started', () => running(`cilium-lab/${name}/pki/apiserver.crt`)],
  ])('after %s is taken down whole', async (what, isThere) => {
    await killedUp(what, isThere)

    await down(name)

    expect(leftovers(name)).toEqual([])
  })

  test('half-way is completed by the next up', async () => {
    await killedUp('containerd', () => existsSync(labPaths(name).node('node1').containerd))

    await up({name})

    expect((await labStatus(name)).problems).toEqual([])
    await down(name)
    expect(leftovers(name)).toEqual([])
  })

  test('and a namespace of its name that somebody else made is not touched', async () => {
    await runTool('ip', ['netns', 'add', `${name}-node1`])
    onTestFinished(async () => void (await runTool('ip', ['netns', 'del', `${name}-node1`])))

    await expect(up({name, nodes: 1})).rejects.toMatchObject({code: 'LAB_NOT_OURS', fields: {id: `${name}-node1`}})
    await down(name)

    expect(leftovers(name)).toEqual([`netns ${name}-node1`])
  })

  test('has no two commands at work on it at once', () => {
    mkdirSync('/run/cilium-lab', {recursive: true})
    const first = labDown(name)
    onTestFinished(first.close)

    expect(() => labUp({name})).toThrow(`process ${process.pid} is at work`)
  })
})
