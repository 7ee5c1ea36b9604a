import {connect} from 'node:net'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {resources} from '../../../src/k8s/resources.ts'
import {eventually} from '../../support/eventually.ts'
import {type TestCluster, testCluster} from '../support/cluster.ts'
import {runProgram} from '../support/program.ts'

let cluster: TestCluster
beforeEach(async () => {
  cluster = await testCluster()
})
afterEach(() => cluster[Symbol.asyncDispose]())

function putService(name: string, targetPort: number | string) {
  cluster.server.put(resources.services, {
    metadata: {name, namespace: 'kube-system'},
    ...({spec: {selector: {'k8s-app': name}, ports: [{port: 80, targetPort}]}} as object),
  })
}

function putPod(name: string, app: string, ready: boolean) {
  cluster.server.put(resources.pods, {
    metadata: {name, namespace: 'kube-system', labels: {'k8s-app': app}},
    ...({
      spec: {containers: [{name: app, ports: [{name: 'http', containerPort: 8081}]}]},
      status: {phase: 'Running', conditions: [{type: 'Ready', status: ready ? 'True' : 'False'}]},
    } as object),
  })
}

/** The kubelet's end: answers in capitals, each channel begun by the port's number. */
function serve(pod: string, asked: string[]) {
  cluster.server.streams.set(`/api/v1/namespaces/kube-system/pods/${pod}/portforward`, (socket, query) => {
    asked.push(`${pod}:${query.get('ports')}`)
    const port = Buffer.alloc(2)
    port.writeUInt16LE(Number(query.get('ports')))
    socket.send(0, port)
    socket.send(1, port)
    socket.onMessage = (data) => {
      if (data[0] === 0) socket.send(0, Buffer.from(String(data.subarray(1)).toUpperCase()))
    }
  })
}

function ask(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.once('data', (data) => {
      resolve(String(data))
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

/** Starts the program, lets `use` work with its port, and ends it as Ctrl-C does. */
async function forwarding(args: readonly string[], use: (port: number) => Promise<void>) {
  let pid = 0
  let out = ''
  const run = runProgram('cilium', args, {
    env: cluster.env,
    onStart: (started) => (pid = started),
    onOutput: (text) => (out += text),
  })
  await eventually(() => /:(\d+)\n/.test(out))
  await use(Number(/:(\d+)\n/.exec(out)![1]))
  process.kill(pid, 'SIGINT')
  return await run
}

test('the relay is reached through a pod that is ready, and another one after a restart', async () => {
  const asked: string[] = []
  putService('hubble-relay', 4245)
  putPod('relay-starting', 'hubble-relay', false)
  putPod('relay-one', 'hubble-relay', true)
  for (const pod of ['relay-starting', 'relay-one', 'relay-two']) serve(pod, asked)

  const {stdout, exitCode} = await forwarding(['hubble', 'port-forward', '--port-forward', '0'], async (port) => {
    expect(await ask(port, 'flows?')).toBe('FLOWS?')
    cluster.server.remove(resources.pods, 'kube-system/relay-one')
    putPod('relay-two', 'hubble-relay', true)
    expect(await ask(port, 'more')).toBe('MORE')
  })

  expect(stdout).toMatch(/^Hubble Relay is available at 127\.0\.0\.1:\d+\n$/)
  expect(asked).toEqual(['relay-one:4245', 'relay-two:4245'])
  expect(exitCode).toBe(0)
})

test('the user interface is reached through a port with a name', async () => {
  const asked: string[] = []
  putService('hubble-ui', 'http')
  putPod('ui', 'hubble-ui', true)
  serve('ui', asked)

  const {stdout} = await forwarding(['hubble', 'ui', '--no-open-browser', '--port-forward', '0'], async (port) => {
    expect(await ask(port, 'get')).toBe('GET')
  })

  expect(stdout).toMatch(/^Hubble UI is at http:\/\/localhost:\d+\n$/)
  expect(asked).toEqual(['ui:8081'])
})

test('what is not installed, or not ready, is said with what to do', async () => {
  const missing = await runProgram('cilium', ['hubble', 'ui'], {env: cluster.env})
  putService('hubble-ui', 'http')
  const empty = await runProgram('cilium', ['hubble', 'ui'], {env: cluster.env})

  expect(missing.stderr).toContain(
    'error HUBBLE_SERVICE_MISSING  there is no Service hubble-ui in the namespace kube-system',
  )
  expect(missing.stderr).toContain('run "cilium hubble enable --ui"')
  expect(missing.exitCode).toBe(1)
  expect(empty.stderr).toContain('error HUBBLE_SERVICE_EMPTY  no pod of hubble-ui is ready')
})
