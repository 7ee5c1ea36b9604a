import {connect, createServer, type Socket} from 'node:net'
import {PassThrough, Readable} from 'node:stream'
import {text} from 'node:stream/consumers'
import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import type {KubeClient} from '../../../src/k8s/client.ts'
import {execInPod, execOutput} from '../../../src/k8s/exec.ts'
import {forwardPort} from '../../../src/k8s/port-forward.ts'
import {resources} from '../../../src/k8s/resources.ts'
import type {CiliumError} from '../../../src/runtime/errors.ts'
import {type ApiServer, startApiServer} from '../../support/api/api-server.ts'
import type {ServerSocket} from '../../support/api/web-socket.ts'
import {eventually} from '../../support/eventually.ts'

let server: ApiServer
let client: KubeClient
beforeEach(async () => {
  server = await startApiServer({protocol: 'h2'})
  client = server.connect()
  server.put(resources.pods, {metadata: {name: 'web', namespace: 'shop'}})
})
afterEach(async () => {
  client.close()
  await server.stop()
})

const web = {namespace: 'shop', pod: 'web'}
const path = '/api/v1/namespaces/shop/pods/web'
const success = JSON.stringify({status: 'Success'})
const exited = (code: number) =>
  JSON.stringify({
    status: 'Failure',
    message: `command terminated with exit code ${code}`,
    details: {causes: [{reason: 'ExitCode', message: String(code)}]},
  })
const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('it did not fail'),
    (error: CiliumError) => error,
  )

/** The kubelet's end of an exec. */
function onExec(serve: (socket: ServerSocket, query: URLSearchParams) => void) {
  server.streams.set(`${path}/exec`, serve)
}

describe('exec', () => {
  test('gives both outputs and the exit code', async () => {
    let asked = ''
    onExec((socket, query) => {
      asked = String(query)
      socket.send(1, 'out ')
      socket.send(2, 'err')
      socket.send(1, 'put')
      socket.send(3, exited(7))
      socket.close()
    })
    const result = await execOutput(client, {...web, container: 'c', command: ['sh', '-c', 'a b']})
    expect(result).toEqual({stdout: 'out put', stderr: 'err', exitCode: 7})
    expect(asked).toBe('stdin=false&stdout=true&stderr=true&tty=false&container=c&command=sh&command=-c&command=a+b')
  })

  test('success is 0, and a terminal has one output', async () => {
    onExec((socket, query) => {
      socket.send(1, String(query.get('stderr')))
      socket.send(3, success)
      socket.close()
    })
    const stdout = new PassThrough()
    expect(await execInPod(client, {...web, command: ['true'], tty: true, stdout})).toBe(0)
    stdout.end()
    expect(await text(stdout)).toBe('false')
  })

  test('input goes in, its end too', async () => {
    onExec((socket) => {
      let input = ''
      socket.onMessage = (data) => {
        if (data[0] === 0) input += data.subarray(1).toString()
        if (data[0] !== 255) return
        socket.send(1, input.toUpperCase())
        socket.send(3, success)
        socket.close()
      }
    })
    const result = await execOutput(client, {...web, command: ['tr'], stdin: Readable.from(['some ', 'text'])})
    expect(result.stdout).toBe('SOME TEXT')
  })

  test('megabytes pass whole', async () => {
    onExec((socket) => {
      for (let i = 0; i < 100; i++) socket.send(1, Buffer.alloc(70_000, i))
      socket.send(3, success)
      socket.close()
    })
    expect((await execOutput(client, {...web, command: ['cat']})).stdout.length).toBe(100 * 70_000)
  })

  test('output beyond the limit is refused', async () => {
    onExec((socket) => {
      socket.send(1, 'x'.repeat(2000))
    })
    const error = await failure(execOutput(client, {...web, command: ['yes'], limitBytes: 1000}))
    expect(error.code).toBe('K8S_OUTPUT_TOO_LARGE')
  })

  test('a command that cannot be run says why', async () => {
    onExec((socket) => {
      socket.send(3, JSON.stringify({status: 'Failure', message: 'exec failed: "nope": executable file not found'}))
      socket.close()
    })
    expect((await failure(execOutput(client, {...web, command: ['nope']}))).message).toContain(
      'executable file not found',
    )
  })

  test('an end that cannot be read is an error', async () => {
    onExec((socket) => {
      socket.send(3, 'what?')
      socket.close()
    })
    expect((await failure(execOutput(client, {...web, command: ['x']}))).message).toContain(
      'its exit code cannot be read',
    )
  })

  test('a stream that breaks is an error, not an exit code', async () => {
    onExec((socket) => {
      socket.send(1, 'half')
      setTimeout(() => socket.cut(), 10)
    })
    expect((await failure(execOutput(client, {...web, command: ['x']}))).code).toBe('K8S_STREAM_FAILED')
  })

  test('can be given up', async () => {
    let gone = false
    onExec((socket) => {
      socket.onClose = () => {
        gone = true
      }
    })
    const abort = new AbortController()
    const running = failure(execOutput(client, {...web, command: ['sleep'], signal: abort.signal}))
    setTimeout(() => abort.abort(new Error('enough')), 30)
    expect((await running).message).toBe('enough')
    await eventually(() => gone)
    expect((await failure(execOutput(client, {...web, command: ['sleep'], signal: abort.signal}))).message).toBe(
      'enough',
    )
  })

  test('a pod that is not there is "not found", with its name', async () => {
    const error = await failure(execOutput(client, {...web, pod: 'nobody', command: ['x']}))
    expect([error.code, error.message]).toEqual(['K8S_NOT_FOUND', expect.stringContaining('pods "nobody" not found')])
  })

  test('a container that is not there is told in the words of the server', async () => {
    server.refuseStreams(400)
    server.inject(
      {path: /exec/},
      {status: 400, reason: 'BadRequest', message: 'container zzz is not valid for pod web'},
    )
    const error = await failure(execOutput(client, {...web, container: 'zzz', command: ['a', 'b']}))
    expect([error.code, error.message]).toEqual([
      'K8S_STREAM_FAILED',
      expect.stringContaining('container zzz is not valid'),
    ])
    expect(server.requests.at(-1)?.query.getAll('command')).toEqual(['a', 'b'])
  })

  test('a handshake that fails for no reason given shows its number', async () => {
    server.refuseStreams(500)
    server.inject({path: /exec/}, {status: 400, reason: 'BadRequest', message: 'Upgrade request required'})
    const error = await failure(execOutput(client, {...web, command: ['x']}))
    expect([error.code, error.message]).toEqual(['K8S_STREAM_FAILED', expect.stringContaining('500')])
  })

  test('a server that cannot be reached is "unreachable"', async () => {
    await server.stop()
    expect((await failure(execOutput(client, {...web, command: ['x']}))).code).toBe('K8S_UNREACHABLE')
    await server.start()
  })
})

describe('port-forward', () => {
  /** The kubelet's end: echoes in capitals. */
  function onForward(
    answer: (socket: ServerSocket, data: Buffer) => void = (socket, data) =>
      socket.send(0, data.toString().toUpperCase()),
  ) {
    server.streams.set(`${path}/portforward`, (socket, query) => {
      const port = Buffer.alloc(2)
      port.writeUInt16LE(Number(query.get('ports')))
      socket.send(0, port)
      socket.send(1, port)
      socket.onMessage = (data) => {
        if (data[0] === 0) answer(socket, data.subarray(1))
      }
    })
  }

  const at = (port: number, pod = web.pod) => ({namespace: web.namespace, target: {pod, port}})

  const dial = (port: number) =>
    new Promise<Socket>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(socket))
    })

  test('every connection has a stream of its own', async () => {
    onForward()
    const forward = await forwardPort(client, at(4245))
    const [one, two] = await Promise.all([dial(forward.localPort), dial(forward.localPort)])
    const heard = [one!, two!].map((socket) => {
      const parts: string[] = []
      socket.on('data', (data) => parts.push(String(data)))
      return parts
    })
    one!.write('hello')
    two!.write('there')
    await eventually(() => heard[0]!.join('') === 'HELLO' && heard[1]!.join('') === 'THERE')
    one!.destroy()
    await forward.close()
    await eventually(() => two!.destroyed)
  })

  test('what the pod refuses closes the connection and is told', async () => {
    const errors: string[] = []
    onForward((socket) => socket.send(1, 'connection refused'))
    const forward = await forwardPort(client, {...at(1), onError: (error) => errors.push(error.message)})
    const socket = await dial(forward.localPort)
    socket.on('error', () => {})
    socket.write('x')
    await eventually(() => socket.destroyed || socket.readableEnded || errors.length > 0)
    expect(errors[0]).toContain('shop/web:1 was not opened or broke: connection refused')
    socket.destroy()
    await forward.close()
  })

  test('a pod that is not there is told for the connection', async () => {
    const errors: CiliumError[] = []
    const forward = await forwardPort(client, {...at(1, 'nobody'), onError: (error) => errors.push(error)})
    const socket = await dial(forward.localPort)
    socket.on('error', () => {})
    await eventually(() => errors.length === 1)
    expect(errors[0]?.code).toBe('K8S_NOT_FOUND')
    await forward.close()
  })

  test('a local port that is taken is an error with a code', async () => {
    const other = createServer()
    const port = await new Promise<number>((resolve) => {
      other.listen(0, '127.0.0.1', () => resolve((other.address() as {port: number}).port))
    })
    expect((await failure(forwardPort(client, {...at(80), localPort: port}))).code).toBe('K8S_PORT_TAKEN')
    other.close()
  })

  test('megabytes pass whole in both directions', async () => {
    onForward((socket, data) => socket.send(0, data))
    const forward = await forwardPort(client, at(80))
    const socket = await dial(forward.localPort)
    let size = 0
    socket.on('data', (data) => {
      size += data.length
    })
    socket.write(Buffer.alloc(5 << 20, 7))
    await eventually(() => size === 5 << 20)
    socket.destroy()
    await forward.close()
  })
})
