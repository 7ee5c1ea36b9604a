/** `hubble reflect`: the services of a server and their methods, asked by gRPC's reflection protocol. */
import {FileDescriptorProto, type MethodDescriptorProto} from '../../api/gen/descriptor.ts'
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService,
} from '../../api/gen/reflection.ts'
import {decodeMessage} from '../../api/wire/message.ts'
import {fail, hasCode} from '../../runtime/errors.ts'
import {clean} from '../render/text.ts'
import {HubbleClient} from './client.ts'
import {HUBBLE_REFUSED, HUBBLE_UNIMPLEMENTED} from './errors.ts'
import type {ServerOptions} from './server-options.ts'

/** One for each service, in the order in which the server names them. */
export interface DescribedService {
  readonly name: string
  readonly methods: readonly MethodDescriptorProto[]
}

/** @throws HUBBLE_UNIMPLEMENTED, HUBBLE_UNREACHABLE; HUBBLE_REFUSED when the server does not describe what it names */
export async function readServices(server: ServerOptions, signal: AbortSignal): Promise<readonly DescribedService[]> {
  const client = await HubbleClient.connect(server, signal)
  try {
    const [listed] = await ask(client, [{list_services: '*'}])
    const names = (listed?.list_services_response?.service ?? []).map(({name = ''}) => name)
    const answers = await ask(
      client,
      names.map((name) => ({file_containing_symbol: name})),
    )
    return names.map((name, index) => describe(name, answers[index], server.server))
  } finally {
    client.close()
  }
}

export function servicesText(services: readonly DescribedService[]): string {
  const lines = services.flatMap(({name, methods}) => [clean(name), ...methods.map(methodLine)])
  return `${lines.join('\n')}\n`
}

/** Older servers know the older name of the protocol alone. */
async function ask(
  client: HubbleClient,
  requests: readonly ServerReflectionRequest[],
): Promise<ServerReflectionResponse[]> {
  const method = ServerReflectionService.ServerReflectionInfo
  try {
    return await client.exchange(method, requests)
  } catch (thrown) {
    if (!hasCode(thrown, HUBBLE_UNIMPLEMENTED)) throw thrown
    return client.exchange({...method, path: method.path.replace('.v1.', '.v1alpha.')}, requests)
  }
}

function describe(name: string, answer: ServerReflectionResponse | undefined, server: string): DescribedService {
  const files = answer?.file_descriptor_response?.file_descriptor_proto ?? []
  for (const bytes of files) {
    const {package: of = '', service = []} = decodeMessage(FileDescriptorProto, bytes)
    const found = service.find((one) => (of === '' ? one.name : `${of}.${one.name}`) === name)
    if (found !== undefined) return {name, methods: found.method ?? []}
  }
  fail(HUBBLE_REFUSED, {server, detail: answer?.error_response?.error_message ?? `it does not describe ${name}`})
}

function methodLine(method: MethodDescriptorProto): string {
  const {name = '', input_type: input, output_type: output} = method
  const of = (type = '', streams = false) => `${streams ? 'stream ' : ''}${clean(type.replace(/^\./, ''))}`
  return `  rpc ${clean(name)}(${of(input, method.client_streaming)}) returns (${of(output, method.server_streaming)})`
}
