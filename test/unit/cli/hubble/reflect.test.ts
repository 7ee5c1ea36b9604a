import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, expect, test} from 'vitest'
import {HealthService} from '../../../../src/api/gen/health.ts'
import {ObserverService} from '../../../../src/api/gen/observer.ts'
import {readServices, servicesText} from '../../../../src/cli/hubble/reflect.ts'
import {closeGrpcServer, type GrpcService, listenOnUnixSocket} from '../../../../src/hubble/server/listen.ts'
import {reflectionServices} from '../../../../src/hubble/server/reflection.ts'
import {serverOptions} from '../../../support/hubble/server-options.ts'

let folder: string
const signal = new AbortController().signal
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reflect-'))
})
afterEach(() => rmSync(folder, {recursive: true, force: true}))

const described = [
  {definition: ObserverService, handlers: {}},
  {definition: HealthService, handlers: {}},
]

async function reflected(services: readonly GrpcService[]): Promise<string> {
  const socket = join(folder, 'hubble.sock')
  const server = await listenOnUnixSocket(socket, services)
  try {
    return servicesText(await readServices(serverOptions(`unix://${socket}`), signal))
  } finally {
    closeGrpcServer(server)
  }
}

test('services and their methods are listed, streams as such', async () => {
  const text = await reflected(reflectionServices(described))
  expect(text.split('\n').filter((line) => !line.startsWith(' '))).toEqual([
    'grpc.health.v1.Health',
    'grpc.reflection.v1.ServerReflection',
    'grpc.reflection.v1alpha.ServerReflection',
    'observer.Observer',
    '',
  ])
  expect(text).toContain('  rpc GetFlows(observer.GetFlowsRequest) returns (stream observer.GetFlowsResponse)\n')
  expect(text).toContain('  rpc ServerStatus(observer.ServerStatusRequest) returns (observer.ServerStatusResponse)\n')
  expect(text.match(/rpc ServerReflectionInfo\(stream grpc\S+\) returns \(stream grpc\S+\)/g)).toHaveLength(2)
})

test('a server that knows the older name of the protocol alone is asked by it', async () => {
  const [, older] = reflectionServices(described)
  expect(await reflected([older!])).toContain('observer.Observer\n')
})

test('a server without reflection is told to be one', async () => {
  await expect(reflected([])).rejects.toMatchObject({code: 'HUBBLE_UNIMPLEMENTED'})
})
