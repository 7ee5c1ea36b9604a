/** What a user does about policies on a real cluster: try them, have refusals answered, make too many, lose identities. */
import {afterAll, afterEach, beforeAll, expect, test} from 'vitest'
import {invalidCiliumPolicies} from '../support/invalid-policies.ts'
import {Cluster, until, workloadPod} from '../support/lab/cluster.ts'

const cluster = new Cluster('t-policy-op')
/** IPv4 first */
let echo: readonly string[]

beforeAll(async () => {
  await cluster.down()
  await cluster.up(1)
  await cluster.ciliumOk('install', '--wait', '--set', 'ipv6.enabled=true')
  await cluster.apply(
    workloadPod('echo', 'node1', {app: 'echo'}, '--tcp-echo', '9000'),
    workloadPod('client', 'node1', {app: 'client'}),
  )
  echo = (await cluster.podAddresses('default', 'app=echo')).get('echo')!.addresses
  await cluster.podAddresses('default', 'app=client')
})
afterEach(async () => {
  await cluster.kubectl('delete', 'cnp', '--all', '--wait=true')
  for (const address of echo) {
    await until('no policy to hold', 20_000, async () => ((await ask(address)) === 0 ? true : undefined))
  }
})
afterAll(async () => {
  await cluster.down()
})

// before an endpoint has a word of its own about audit mode
test('a value that is set without a restart holds on agents that run, and what it was comes back', async () => {
  await cluster.apply(closed('closed'))
  for (const address of echo)
    await until('the policy', 20_000, async () => ((await ask(address)) === 28 ? true : undefined))
  const started = await agentsStarted()

  await cluster.ciliumOk('config', 'set', 'policy-audit-mode', 'true', '--no-restart')
  // kubelet writes a ConfigMap when it next looks at the pod
  await cluster.kubectl('-n', 'kube-system', 'annotate', 'pod', '-l', 'k8s-app=cilium', 'example.org/look=once')
  for (const address of echo)
    await until('nothing to be refused', 150_000, async () => ((await ask(address)) === 0 ? true : undefined))

  await cluster.ciliumOk('config', 'delete', 'policy-audit-mode', '--no-restart')
  await cluster.kubectl('-n', 'kube-system', 'annotate', 'pod', '-l', 'k8s-app=cilium', 'example.org/look-')
  for (const address of echo)
    await until('the refusal to be back', 150_000, async () => ((await ask(address)) === 28 ? true : undefined))
  expect(await agentsStarted()).toBe(started)
}, 420_000)

test('in audit mode nothing is refused, and Hubble says what would have been', async () => {
  const id = await endpointId('echo')
  await agent('endpoint', 'config', id, 'PolicyAuditMode=Enabled')
  await cluster.apply(closed('closed'))
  await until('the policy to be in force', 20_000, async () =>
    (await enforcement(id)) === 'audit-ingress' ? true : undefined,
  )

  for (const address of echo) expect(await ask(address)).toBe(0)
  await until('a flow that is audited', 20_000, async () => {
    const flows = await agentHubble('--verdict', 'AUDIT', '--last', '100', '-o', 'json')
    return flows.includes('"closed"') || flows.includes('AUDIT') ? true : undefined
  })

  await cluster.killAgent('node1')
  await cluster.agentsReady()
  await until('audit mode to be remembered', 20_000, async () =>
    (await enforcement(id)) === 'audit-ingress' ? true : undefined,
  )

  await agent('endpoint', 'config', id, 'PolicyAuditMode=Disabled')
  for (const address of echo) expect(await ask(address)).toBe(28)
})

test.each([
  ['reset', 'Connection refused'],
  ['icmp', /prohibited|No route to host|Permission denied|unreachable/i],
] as const)('a policy that says %s answers whom it denies', async (response, words) => {
  await cluster.apply(closed('answers', {'policy.cilium.io/deny-response': response}))

  for (const address of echo) {
    await until(`a refusal of ${address}`, 20_000, async () => ((await ask(address)) !== 28 ? true : undefined))
    expect(await askText(address)).toMatch(words)
  }
})

test('a policy that does not fit leaves in force what was, and says so in its status and an event', async () => {
  await cluster.apply(closed('huge'))
  for (const address of echo)
    await until('the policy', 20_000, async () => ((await ask(address)) === 28 ? true : undefined))
  const ingress = Array.from({length: 1_100}, (_, n) => ({
    fromEndpoints: [{matchLabels: {app: 'client', n: String(n)}}],
    toPorts: [{ports: [{port: String(n + 1), protocol: 'TCP'}]}],
  }))
  await cluster.apply(ciliumPolicy('huge', {endpointSelector: {matchLabels: {app: 'echo'}}, ingress: [...ingress, {}]}))

  const condition = await until('the condition', 30_000, async () => {
    const text = await cluster.kubectl(
      'get',
      'cnp',
      'huge',
      '-o',
      'jsonpath={.status.conditions[?(@.type=="Enforced")]}',
    )
    return text === '' ? undefined : (JSON.parse(text) as {status: string; message: string})
  })
  expect(condition).toMatchObject({status: 'False', message: expect.stringContaining('node node1: ')})
  await until('the event', 30_000, async () => {
    const events = await cluster.kubectl('get', 'events', '--field-selector', 'reason=PolicyNotEnforced')
    return events.includes('huge') ? true : undefined
  })
  for (const address of echo) expect(await ask(address)).toBe(28)

  await cluster.apply(closed('huge'))
  await until('the condition to be taken back', 30_000, async () => {
    const path = 'jsonpath={.status.conditions[?(@.type=="Enforced")].status}'
    return (await cluster.kubectl('get', 'cnp', 'huge', '-o', path)) === 'True' ? true : undefined
  })
})

test('each kind of invalid policy is refused or says what is wrong, and disturbs nobody', async () => {
  await cluster.apply(closed('sound'))
  for (const address of echo)
    await until('the policy', 20_000, async () => ((await ask(address)) === 28 ? true : undefined))
  const restarts = await agentRestarts()

  const admitted: (readonly [name: string, path: string])[] = []
  let refused = 0
  for (const [n, [, spec, path]] of invalidCiliumPolicies.entries()) {
    try {
      await cluster.apply(ciliumPolicy(`bad-${n}`, spec))
      admitted.push([`bad-${n}`, path])
    } catch (thrown) {
      // by the schema: the API server names the field
      expect(String(thrown)).toMatch(/spec|unknown field|strict decoding|required/)
      refused++
    }
  }
  console.log(`${refused} refused by the API server, ${admitted.length} admitted and found by the agent`)
  expect(admitted.length).toBeGreaterThan(0)

  const conditions = await until('all conditions', 60_000, async () => {
    const {items} = JSON.parse(await cluster.kubectl('get', 'cnp', '-o', 'json')) as PolicyList
    const found = new Map(items.map(({metadata, status}) => [metadata.name, status?.conditions?.find(isValid)]))
    return admitted.every(([name]) => found.get(name) !== undefined) ? found : undefined
  })
  for (const [name, path] of admitted) {
    expect(conditions.get(name), name).toMatchObject({status: 'False', message: expect.stringContaining(path)})
  }

  // what is sound holds, what comes after is put into force, and no agent has stumbled
  for (const address of echo) expect(await ask(address)).toBe(28)
  await cluster.apply(
    ciliumPolicy('sound', {endpointSelector: {matchLabels: {app: 'echo'}}, ingress: [{fromEntities: ['cluster']}]}),
  )
  for (const address of echo)
    await until('the change', 20_000, async () => ((await ask(address)) === 0 ? true : undefined))
  expect(await agentRestarts()).toBe(restarts)
})

test('what the kernel holds can be read: the sets of an endpoint with the policies they come from', async () => {
  const id = await endpointId('echo')
  const ingressDeny = [{fromEntities: ['world'], toPorts: [{ports: [{port: '9000', protocol: 'TCP'}]}]}]
  await cluster.apply(
    ciliumPolicy('shown', {
      endpointSelector: {matchLabels: {app: 'echo'}},
      ingress: [{fromEntities: ['cluster']}],
      ingressDeny,
    }),
  )
  await until('the policy', 20_000, async () => ((await enforcement(id)) === 'ingress' ? true : undefined))

  const text = await agent('bpf', 'policy', 'get', id)
  expect(text).toMatch(/Deny +Ingress/)
  expect(text).toMatch(/9000/)
  expect(text).toMatch(/Allow +Ingress/)
  expect(await agent('bpf', 'policy', 'list')).toContain(id)
  expect(await agent('policy', 'get')).toContain('"shown"')
  expect(await agent('policy', 'selectors')).not.toBe('')
})

test('identities that somebody has deleted come back, and policies hold', async () => {
  await cluster.apply(
    ciliumPolicy('friends', {
      endpointSelector: {matchLabels: {app: 'echo'}},
      ingress: [{fromEndpoints: [{matchLabels: {app: 'client'}}]}],
    }),
  )
  await cluster.apply(workloadPod('stranger', 'node1', {app: 'stranger'}))
  await cluster.podAddresses('default', 'app=stranger')
  for (const address of echo)
    await until('the policy', 20_000, async () => ((await ask(address, 'stranger')) === 28 ? true : undefined))

  await cluster.kubectl('delete', 'ciliumidentities', '--all', '--wait=true')

  await until('identities of all pods', 60_000, async () => {
    const identities = await cluster.kubectl('get', 'ciliumidentities', '-o', 'jsonpath={.items[*].security-labels}')
    return ['echo', 'client', 'stranger'].every((app) => identities.includes(`"k8s:app":"${app}"`)) ? true : undefined
  })
  for (const address of echo) {
    await until('the client to be let in', 20_000, async () => ((await ask(address)) === 0 ? true : undefined))
    expect(await ask(address, 'stranger')).toBe(28)
  }
})

/** The exit code of curl: 0 answered, 7 refused, 28 no answer. */
async function ask(address: string, pod = 'client'): Promise<number> {
  const url = `http://${address.includes(':') ? `[${address}]` : address}:8080/`
  const script = `curl -s -o /dev/null --connect-timeout 3 ${url}; echo $?`
  return Number(await cluster.kubectl('exec', pod, '--', 'sh', '-c', script))
}

/** What curl says of a connection. Linux may hear an ICMP error with the second segment only, after a second. */
async function askText(address: string): Promise<string> {
  const url = `http://${address.includes(':') ? `[${address}]` : address}:8080/`
  return await cluster.kubectl('exec', 'client', '--', 'sh', '-c', `curl -sv --connect-timeout 3 ${url} 2>&1 || true`)
}

async function agent(...command: string[]): Promise<string> {
  return await cluster.kubectl(
    '-n',
    'kube-system',
    'exec',
    'ds/cilium',
    '-c',
    'cilium-agent',
    '--',
    'cilium',
    ...command,
  )
}

async function agentHubble(...flags: string[]): Promise<string> {
  return await cluster.kubectl(
    '-n',
    'kube-system',
    'exec',
    'ds/cilium',
    '-c',
    'cilium-agent',
    '--',
    'hubble',
    'observe',
    ...flags,
  )
}

interface PolicyList {
  readonly items: readonly {
    readonly metadata: {readonly name: string}
    readonly status?: {readonly conditions?: readonly {readonly type: string; readonly status: string}[]}
  }[]
}

const isValid = ({type}: {readonly type: string}) => type === 'Valid'

/** Changes when an agent is started anew, whatever the reason. */
async function agentsStarted(): Promise<string> {
  const path = 'jsonpath={.items[*].status.containerStatuses[*].containerID}'
  return await cluster.kubectl('-n', 'kube-system', 'get', 'pods', '-l', 'k8s-app=cilium', '-o', path)
}

async function agentRestarts(): Promise<string> {
  const path = 'jsonpath={.items[*].status.containerStatuses[*].restartCount}'
  return await cluster.kubectl('-n', 'kube-system', 'get', 'pods', '-l', 'k8s-app=cilium', '-o', path)
}

async function endpointId(pod: string): Promise<string> {
  return (await agent('endpoint', 'get', `pod-name:default:${pod}`, '-o', 'jsonpath={[0].id}')).trim()
}

async function enforcement(id: string): Promise<string> {
  return (await agent('endpoint', 'get', id, '-o', 'jsonpath={[0].status.policy.realized.policy-enabled}')).trim()
}

/** Isolates the echo pod from everybody. */
function closed(name: string, annotations: Readonly<Record<string, string>> = {}): object {
  const spec = {endpointSelector: {matchLabels: {app: 'echo'}}, ingress: [{}]}
  return ciliumPolicy(name, spec, annotations)
}

function ciliumPolicy(name: string, spec: unknown, annotations: Readonly<Record<string, string>> = {}): object {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: {name, namespace: 'default', annotations},
    spec,
  }
}
