/** Hubble with what must be asked for: TLS everywhere, bytes of packets, events of drops, metrics as a ConfigMap says. */
import {get as httpsGet} from 'node:https'
import {execa} from 'execa'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {bracketed, container, flowLab, service} from '../support/hubble/flow-lab.ts'
import {Cluster, until} from '../support/lab/cluster.ts'

const cluster = new Cluster('t-hubble-opt')
const {inClient, addresses, agentOn, hubble} = flowLab(cluster)
const values = [
  'ipv6.enabled=true',
  'bpf.events.payloadBytes=128',
  'hubble.relay.enabled=true',
  'hubble.relay.tls.server.enabled=true',
  'hubble.relay.tls.server.mtls=true',
  'hubble.ui.enabled=true',
  'hubble.dropEventEmitter.enabled=true',
  'hubble.metrics.enabled={icmp}',
  'hubble.metrics.enableOpenMetrics=true',
  'hubble.metrics.tls.enabled=true',
  'hubble.metrics.dynamic.enabled=true',
]

beforeAll(async () => {
  await cluster.down()
  await cluster.up(1)
  await cluster.ciliumOk('install', '--wait', ...values.flatMap((value) => ['--set', value]))
  await cluster.apply(
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {name: 'web', namespace: 'default', labels: {app: 'web'}},
      spec: {containers: [container('test-workload', '--http', '8080')]},
    },
    service('web', {app: 'web'}),
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {name: 'client', namespace: 'default'},
      spec: {containers: [container('sleep', '100000')]},
    },
  )
  await cluster.kubectl('wait', '--for=condition=ready', 'pod/web', 'pod/client', '--timeout=120s')
}, 600_000)

afterAll(async () => {
  await cluster.down()
})

const request = async (family: number, path: string) =>
  inClient('curl', '-s', '-m2', `http://${bracketed((await addresses('pod', 'app=web'))[family]!)}:8080${path}`)

test('the relay is asked with what its Secrets say', async () => {
  await until('the relay', 240_000, async () => {
    await request(0, '/hostname')
    return (await hubble('observe', '--protocol', 'tcp')).includes('default/client') ? true : undefined
  })

  expect(await hubble('status')).toContain('Connected Nodes: 1/1')
}, 300_000)

test('policies are suggested from what it tells', async () => {
  await request(0, '/hostname')

  const text = await until('the connection', 60_000, async () => {
    const {stdout} = await cluster.cilium('policy', 'suggest', '-n', 'default')
    return stdout.includes('8080') ? stdout : undefined
  })

  expect(text).toContain('kind: CiliumNetworkPolicy')
})

test('the page gets its flows from it', async () => {
  const forward = execa(
    process.execPath,
    ['bin/cilium.js', 'hubble', 'ui', '--no-open-browser', '--port-forward', '0'],
    {
      env: {KUBECONFIG: cluster.kubeconfig},
      reject: false,
      stdin: 'ignore',
    },
  )
  try {
    let said = ''
    forward.stdout.on('data', (data) => (said += String(data)))
    const [, url] = await until('the port', 60_000, async () => /(http:\/\/localhost:\d+)/.exec(said) ?? undefined)
    await until('a flow on the page', 60_000, async () => {
      await request(0, '/hostname')
      const response = await fetch(`${url}/api/flows?namespace=default`, {signal: AbortSignal.timeout(3_000)})
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
      let text = ''
      try {
        for (let part = await reader.read(); !part.done; part = await reader.read()) {
          text += part.value
          if (text.includes('"client"') || text.includes('default/client')) return true
        }
      } catch {
        // three seconds of it were enough
      }
      return undefined
    })
  } finally {
    forward.kill()
    await forward
  }
}, 180_000)

test.each([0, 1])('flows show the bytes of their packets when that is asked for (family %i)', async (family) => {
  const path = `/secret-${family}`
  const since = new Date().toISOString()

  const text = await until('the bytes', 60_000, async () => {
    await request(family, path)
    const observe = ['--since', since, '--to-pod', 'default/web', family === 0 ? '-4' : '-6']
    const shown = await hubble('observe', ...observe, '--print-payload')
    return shown.includes('GET /') ? shown : undefined
  })

  expect(text).toMatch(/^ {2}0000 {2}([0-9a-f]{2} ){7}/m)
})

test.each([0, 1])(
  'a drop becomes an event of the pod (family %i)',
  async (family) => {
    await cluster.apply({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: {name: 'closed', namespace: 'default'},
      spec: {podSelector: {matchLabels: {app: 'web'}}, policyTypes: ['Ingress']},
    })
    try {
      const ip = (await addresses('pod', 'app=web'))[family]!
      const client = (await cluster.kubectl('get', 'pod', 'client', '-o', 'jsonpath={.status.podIPs[*].ip}')).split(' ')

      const message = await until('the event', 90_000, async () => {
        await inClient('curl', '-s', '-m1', `http://${bracketed(ip)}:8080/`)
        const query = ['--field-selector', 'involvedObject.name=web,reason=PacketDrop']
        const text = await cluster.kubectl(
          'get',
          'events',
          ...query,
          '-o',
          'jsonpath={range .items[*]}{.message}{"\\n"}{end}',
        )
        return text.split('\n').find((line) => line.includes(client[family]!))
      })

      expect(message).toBe(`Incoming packet dropped (policy_denied) from default/client (${client[family]}) TCP/8080`)
    } finally {
      await cluster.kubectl('delete', 'networkpolicy', 'closed')
    }
  },
  180_000,
)

async function metrics(accept: string): Promise<{type: string; text: string}> {
  const secret = await cluster.kubectl(
    '-n',
    'kube-system',
    'get',
    'secret',
    'hubble-metrics-server-certs',
    '-o',
    'json',
  )
  const {data} = JSON.parse(secret) as {data: Record<string, string>}
  const host = await cluster.kubectl('get', 'node', 'node1', '-o', 'jsonpath={.status.addresses[0].address}')
  return new Promise((resolve, reject) => {
    const options = {
      host,
      port: 9965,
      path: '/metrics',
      headers: {accept},
      ca: Buffer.from(data['ca.crt']!, 'base64'),
      servername: 'default.hubble-metrics.cilium.io',
      agent: false as const,
    }
    httpsGet(options, (response) => {
      let text = ''
      response.on('data', (part) => (text += String(part)))
      response.on('end', () => resolve({type: response.headers['content-type'] ?? '', text}))
    }).on('error', reject)
  })
}

test('metrics are told with TLS, in OpenMetrics to who asks for it', async () => {
  const answer = await until('a ping in the metrics', 120_000, async () => {
    await inClient('ping', '-c1', '-W1', (await addresses('pod', 'app=web'))[0]!)
    const found = await metrics('application/openmetrics-text')
    return found.text.includes('hubble_icmp_total{') ? found : undefined
  })

  expect(answer.type).toContain('application/openmetrics-text')
  expect(answer.text).toContain('# TYPE hubble_icmp counter')
  expect(answer.text.endsWith('# EOF\n')).toBe(true)
  expect((await metrics('text/plain')).text).toContain('# TYPE hubble_icmp_total counter')
}, 180_000)

test('what is counted follows a ConfigMap, without a restart', async () => {
  const agent = await agentOn('node1')
  const wanted = {
    metrics: [
      {
        name: 'flow',
        contextOptions: [{name: 'destinationContext', values: ['pod']}],
        includeFilters: [{destination_pod: ['default/web']}],
      },
    ],
  }
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {name: 'cilium-dynamic-metrics-config', namespace: 'kube-system'},
    data: {'dynamic-metrics.yaml': JSON.stringify(wanted)},
  })

  const text = await until('the new metric', 180_000, async () => {
    await request(0, '/hostname')
    const found = await metrics('text/plain')
    return found.text.includes('hubble_flows_processed_total{') ? found.text : undefined
  })

  const series = text.split('\n').filter((line) => line.startsWith('hubble_flows_processed_total{'))
  expect(series.every((line) => line.includes('destination="default/web"'))).toBe(true)
  expect(await agentOn('node1')).toBe(agent)
}, 240_000)
