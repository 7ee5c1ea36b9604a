/** gRPC's reflection protocol, in both its versions: clients that do not know our messages ask for their descriptors. */
import {type ServerDuplexStream, status, type UntypedHandleCall} from '@grpc/grpc-js'
import {type DescribedFile, describedFiles} from '../../api/gen/descriptors.ts'
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService,
} from '../../api/gen/reflection.ts'
import type {GrpcService} from './listen.ts'

type Answer = Pick<
  ServerReflectionResponse,
  'file_descriptor_response' | 'all_extension_numbers_response' | 'list_services_response' | 'error_response'
>

const newer = 'grpc.reflection.v1.ServerReflection'
const older = 'grpc.reflection.v1alpha.ServerReflection'

/** The two services. @param services those of the same server */
export function reflectionServices(services: readonly GrpcService[]): readonly GrpcService[] {
  const names = [...services.map(({definition}) => serviceName(definition)), newer, older].sort()
  const handlers = {ServerReflectionInfo: answerTo(names) as UntypedHandleCall}
  const {ServerReflectionInfo: method} = ServerReflectionService
  return [newer, older].map((name) => ({
    definition: {ServerReflectionInfo: {...method, path: `/${name}/ServerReflectionInfo`}},
    handlers,
  }))
}

/** `/observer.Observer/GetFlows` is of observer.Observer. */
function serviceName(definition: GrpcService['definition']): string {
  return Object.values(definition)[0]?.path.split('/')[1] ?? ''
}

function answerTo(names: readonly string[]) {
  return (call: ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>) => {
    call.on('data', (request: ServerReflectionRequest) => {
      call.write({valid_host: request.host ?? '', original_request: request, ...answer(request, names)})
    })
    call.on('error', () => {})
    call.on('end', () => call.end())
  }
}

function answer(request: ServerReflectionRequest, names: readonly string[]): Answer {
  const {file_by_filename: file, file_containing_symbol: symbol, all_extension_numbers_of_type: type} = request
  if (request.list_services !== undefined) return {list_services_response: {service: names.map((name) => ({name}))}}
  if (file !== undefined) return fileAnswer((one) => one.name === file, file)
  if (symbol !== undefined) return fileAnswer((one) => one.symbols.includes(symbol), symbol)
  // no message here can be extended
  if (type !== undefined) return {all_extension_numbers_response: {base_type_name: type}}
  return refused('no file extends this type')
}

function fileAnswer(wanted: (file: DescribedFile) => boolean, name: string): Answer {
  const found = describedFiles.find(wanted)
  if (found === undefined) return refused(`nothing here is called ${JSON.stringify(name.slice(0, 200))}`)
  return {file_descriptor_response: {file_descriptor_proto: withImports(found).map(({base64}) => bytesOf(base64))}}
}

/** The file, then what it needs. */
function withImports(file: DescribedFile): readonly DescribedFile[] {
  const all = new Set([file])
  for (const one of all) {
    for (const name of one.imports) all.add(describedFiles.find((other) => other.name === name)!)
  }
  return [...all]
}

function bytesOf(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, 'base64'))
}

function refused(message: string): Answer {
  return {error_response: {error_code: status.NOT_FOUND, error_message: message}}
}
