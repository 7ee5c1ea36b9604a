/** Clients that know nothing of us learn our messages from the server, and understand what it says then. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Client, credentials, type Server} from '@grpc/grpc-js'
import protobuf from 'protobufjs'
import * as descriptor from 'protobufjs/ext/descriptor/index.js'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {HealthService} from '../../../../src/api/gen/health.ts'
import {GetFlowsResponse, ObserverService} from '../../../../src/api/gen/observer.ts'
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService,
} from '../../../../src/api/gen/reflection.ts'
import {encodeMessage} from '../../../../src/api/wire/message.ts'
import {closeGrpcServer, listenOnUnixSocket} from '../../../../src/hubble/server/listen.ts'
import {reflectionServices} from '../../../../src/hubble/server/reflection.ts'

const folder = mkdtempSync(join(tmpdir(), 'reflection-'))
const socket = join(folder, 'socket')
let server: Server
let client: Client

beforeAll(async () => {
  const services = [
    {definition: ObserverService, handlers: {}},
    {definition: HealthService, handlers: {}},
  ]
  server = await listenOnUnixSocket(socket, reflectionServices(services))
  client = new Client(`unix://${socket}`, credentials.createInsecure())
})

afterAll(() => {
  client.close()
  closeGrpcServer(server)
  rmSync(folder, {recursive: true, force: true})
})

async function ask(version: 'v1' | 'v1alpha', ...requests: ServerReflectionRequest[]) {
  const {requestSerialize, responseDeserialize} = ServerReflectionService.ServerReflectionInfo
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`
  const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
  for (const request of requests) call.write(request)
  call.end()
  const answers: ServerReflectionResponse[] = []
  for await (const one of call) answers.push(one as ServerReflectionResponse)
  return answers
}

describe.each(['v1', 'v1alpha'] as const)('reflection %s', (version) => {
  test('lists the services', async () => {
    const [answer] = await ask(version, {list_services: '*'})

    expect(answer!.list_services_response?.service?.map(({name}) => name)).toEqual([
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'observer.Observer',
    ])
    expect(answer!.original_request).toEqual({list_services: '*'})
  })

  test('what it describes reads our messages', async () => {
    const [answer] = await ask(version, {file_containing_symbol: 'observer.Observer'})
    const file = (answer!.file_descriptor_response?.file_descriptor_proto ?? []).map((bytes) =>
      descriptor.FileDescriptorProto.decode(bytes),
    )
    // biome-ignore lint/suspicious/noExplicitAny: the extension has no types for what it adds
    const root = (protobuf.Root as any).fromDescriptor({file}) as protobuf.Root
    const type = root.lookupType('observer.GetFlowsResponse')
    const bytes = encodeMessage(GetFlowsResponse, {
      flow: {
        verdict: 2,
        IP: {source: 'fd00::1'},
        time: 1_500_000_000n,
        is_reply: false,
        l4: {TCP: {flags: {SYN: true}}},
      },
      node_name: 'a/b',
    })

    const read = type.toObject(type.decode(bytes), {enums: String, longs: Number})

    expect(read).toMatchObject({
      flow: {
        verdict: 'DROPPED',
        IP: {source: 'fd00::1'},
        time: {seconds: 1, nanos: 500_000_000},
        is_reply: {},
        l4: {TCP: {flags: {SYN: true}}},
      },
      node_name: 'a/b',
    })
  })

  test('answers each question of a stream, and says what it does not have', async () => {
    const answers = await ask(
      version,
      {file_by_filename: 'flow/flow.proto'},
      {file_containing_symbol: 'no.Thing'},
      {all_extension_numbers_of_type: 'flow.Flow'},
    )

    expect(answers[0]!.file_descriptor_response?.file_descriptor_proto).toHaveLength(4)
    expect(answers[1]!.error_response).toMatchObject({error_code: 5})
    expect(answers[2]!.all_extension_numbers_response).toEqual({base_type_name: 'flow.Flow'})
  })
})
