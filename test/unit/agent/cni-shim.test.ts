import {mkdtemp, readdir, readFile, rm} from 'node:fs/promises'
import {createServer, type Server} from 'node:net'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest'
import {buildCniShim} from '../../../scripts/build-cni.ts'
import {type CniMessage, decodeCniMessage, encodeCniAnswer} from '../../../src/api/cni.ts'

let folder: string
let shim: string
let run: string
let server: Server | undefined

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cni-shim-'))
  shim = await buildCniShim(join(folder, 'cilium-cni'))
})
afterAll(() => rm(folder, {recursive: true, force: true}))
beforeEach(async () => {
  run = await mkdtemp(join(folder, 'run-'))
})
afterEach(() => {
  server?.close()
  server = undefined
})

const socket = () => join(run, 'cni.sock')

function config(extra: object = {}): string {
  return JSON.stringify({cniVersion: '1.0.0', name: 'cilium', type: 'cilium-cni', 'agent-socket': socket(), ...extra})
}

/** Executes the shim as a runtime does. */
async function call(command: string, input: string, variables: Record<string, string> = {}) {
  const done = await execa(shim, [], {
    input,
    extendEnv: false,
    env: {CNI_COMMAND: command, CNI_CONTAINERID: 'c0ffee', CNI_IFNAME: 'eth0', ...variables},
    reject: false,
  })
  return {exitCode: done.exitCode, document: done.stdout === '' ? undefined : JSON.parse(done.stdout)}
}

/** An agent that gives one answer to everything and keeps what it was told. */
async function agentAnswering(exitCode: number, text: string): Promise<CniMessage[]> {
  const heard: CniMessage[] = []
  server = createServer((connection) => {
    let bytes = Buffer.alloc(0)
    connection.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      if (bytes.length < 4 || bytes.length < 4 + bytes.readUInt32BE(0)) return
      heard.push(decodeCniMessage(bytes.subarray(4)))
      connection.end(encodeCniAnswer({exitCode, text}))
    })
  })
  await new Promise<void>((resolve) => server!.listen(socket(), resolve))
  return heard
}

describe('with an agent', () => {
  test('the environment and stdin reach the agent unchanged and its answer is printed', async () => {
    const heard = await agentAnswering(0, '{"ips":[]}')
    const input = config({note: 'straße \\u0000 "quoted"'})

    const {exitCode, document} = await call('ADD', input, {CNI_NETNS: '/var/run/netns/a b', CNI_ARGS: 'A=1;B=x=y'})

    expect(exitCode).toBe(0)
    expect(document).toEqual({ips: []})
    expect(heard).toHaveLength(1)
    expect(heard[0]!.input).toBe(input)
    expect(heard[0]!.variables).toMatchObject({
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'c0ffee',
      CNI_NETNS: '/var/run/netns/a b',
      CNI_IFNAME: 'eth0',
      CNI_ARGS: 'A=1;B=x=y',
      CNI_PATH: '',
    })
  })

  test('an error of the agent keeps its document and exit code', async () => {
    await agentAnswering(1, '{"code":11,"msg":"no address is free"}')

    const {exitCode, document} = await call('ADD', config())

    expect(exitCode).toBe(1)
    expect(document.code).toBe(11)
  })

  test('a large configuration arrives whole', async () => {
    const heard = await agentAnswering(0, '')
    const input = config({'cni.dev/valid-attachments': Array.from({length: 8000}, (_, i) => ({containerID: `c${i}`}))})

    await call('GC', input)

    expect(heard[0]!.input).toBe(input)
  })

  test('an agent that ends in the middle of an ADD makes the runtime try again', async () => {
    server = createServer((connection) => connection.destroy())
    await new Promise<void>((resolve) => server!.listen(socket(), resolve))

    const {exitCode, document} = await call('ADD', config())

    expect(exitCode).toBe(1)
    expect(document.code).toBe(11)
  })
})

describe('without an agent', () => {
  test('ADD waits for an agent that is just starting', async () => {
    const waiting = call('ADD', config({'agent-wait-ms': '5000'}))
    await new Promise((resolve) => setTimeout(resolve, 250))
    await agentAnswering(0, '{"ips":[]}')

    expect((await waiting).exitCode).toBe(0)
  })

  test('ADD, CHECK and GC say try again, STATUS says not available', async () => {
    const input = config({'agent-wait-ms': '0'})

    for (const [command, code] of [
      ['ADD', 11],
      ['CHECK', 11],
      ['GC', 11],
      ['STATUS', 50],
    ] as const) {
      const {exitCode, document} = await call(command, input)
      expect([command, exitCode, document.code]).toEqual([command, 1, code])
      expect(document.cniVersion).toBe('1.0.0')
      expect(document.details).toContain(socket())
    }
  })

  test('DEL is noted for the agent and succeeds, and twice is one note', async () => {
    const first = await call('DEL', config(), {CNI_NETNS: '/var/run/netns/x'})
    const second = await call('DEL', config(), {CNI_NETNS: '/var/run/netns/x'})

    expect([first, second]).toEqual([
      {exitCode: 0, document: undefined},
      {exitCode: 0, document: undefined},
    ])
    expect(await readdir(join(run, 'deleteQueue'))).toEqual(['c0ffee-eth0'])
    const note = decodeCniMessage((await readFile(join(run, 'deleteQueue', 'c0ffee-eth0'))).subarray(4))
    expect(note.variables).toMatchObject({CNI_COMMAND: 'DEL', CNI_CONTAINERID: 'c0ffee', CNI_NETNS: '/var/run/netns/x'})
  })

  test('DEL with a container id that is no file name is refused', async () => {
    const {exitCode, document} = await call('DEL', config(), {CNI_CONTAINERID: '../../etc/passwd'})

    expect(exitCode).toBe(1)
    expect(document.code).toBe(4)
    await expect(readdir(join(run, 'deleteQueue'))).rejects.toThrow('ENOENT')
  })

  test('DEL that cannot be noted fails, so that the runtime repeats it', async () => {
    const {exitCode, document} = await call('DEL', config({'agent-socket': '/proc/version/cni.sock'}))

    expect(exitCode).toBe(1)
    expect(document.code).toBe(5)
  })
})

describe('input', () => {
  test('VERSION is answered without an agent', async () => {
    const {exitCode, document} = await call('VERSION', '{"cniVersion":"0.4.0"}')

    expect(exitCode).toBe(0)
    expect(document).toEqual({
      cniVersion: '0.4.0',
      supportedVersions: ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'],
    })
  })

  test.each([
    ['nothing', ''],
    ['a cut object', '{"cniVersion":"1.0.0"'],
    ['a list', '[]'],
    ['two documents', '{}{}'],
    ['a bare word', '{"a":nul}'],
    ['a bad number', '{"a":01}'],
    ['a control character', '{"a":"\n"}'],
    ['a bad escape', '{"a":"\\x"}'],
    ['a trailing comma', '{"a":1,}'],
    ['endless nesting', `{"a":${'['.repeat(100_000)}`],
  ])('%s is a decode error', async (_, input) => {
    const {exitCode, document} = await call('ADD', input)

    expect(exitCode).toBe(1)
    expect(document.code).toBe(6)
  })

  test('a version of tomorrow is refused by name', async () => {
    const {exitCode, document} = await call('ADD', config({cniVersion: '2.0.0'}))

    expect(exitCode).toBe(1)
    expect(document.code).toBe(1)
    expect(document.details).toContain('1.1.0')
  })

  test('only the version at the top counts', async () => {
    const {document} = await call('VERSION', '{"prevResult":{"cniVersion":"0.3.1"},"cniVersion":"1.1.0"}')

    expect(document.cniVersion).toBe('1.1.0')
  })

  test('a missing command is a bad environment', async () => {
    const {exitCode, document} = await call('', config())

    expect(exitCode).toBe(1)
    expect(document.code).toBe(4)
  })
})
