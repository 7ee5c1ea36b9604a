/**
 * What src/api/proto says, in the form in which reflection tells it: google.protobuf.FileDescriptorProto.
 * @see https://protobuf.dev/reference/protobuf/google.protobuf/#file-descriptor-proto
 */
import {type EnumNode, type FieldNode, type MessageNode, type ProtoFile, parseProto} from './parse.ts'

export interface DescribedFile {
  /** as other files import it */
  readonly name: string
  /** messages, enums, services and methods in it, with package */
  readonly symbols: readonly string[]
  readonly imports: readonly string[]
  /** google.protobuf.FileDescriptorProto */
  readonly bytes: Uint8Array
}

/** Names under which the files are known elsewhere, by package. */
const fileNames: Readonly<Record<string, string>> = {
  flow: 'flow/flow.proto',
  observer: 'observer/observer.proto',
  peer: 'peer/peer.proto',
  relay: 'relay/relay.proto',
  'grpc.health.v1': 'grpc/health/v1/health.proto',
  'grpc.reflection.v1': 'grpc/reflection/v1/reflection.proto',
  'grpc.reflection.v1alpha': 'grpc/reflection/v1alpha/reflection.proto',
}

const wellKnownFiles: Readonly<Record<string, string>> = {
  'google/protobuf/timestamp.proto': 'message Timestamp { int64 seconds = 1; int32 nanos = 2; }',
  'google/protobuf/field_mask.proto': 'message FieldMask { repeated string paths = 1; }',
  'google/protobuf/any.proto': 'message Any { string type_url = 1; bytes value = 2; }',
  'google/protobuf/wrappers.proto': `
    message DoubleValue { double value = 1; }
    message FloatValue { float value = 1; }
    message Int64Value { int64 value = 1; }
    message UInt64Value { uint64 value = 1; }
    message Int32Value { int32 value = 1; }
    message UInt32Value { uint32 value = 1; }
    message BoolValue { bool value = 1; }
    message StringValue { string value = 1; }
    message BytesValue { bytes value = 1; }`,
}

const scalarTypes: Readonly<Record<string, number>> = {
  double: 1,
  float: 2,
  int64: 3,
  uint64: 4,
  int32: 5,
  bool: 8,
  string: 9,
  bytes: 12,
  uint32: 13,
}
const labels = {optional: 1, repeated: 3} as const
const kinds = {message: 11, enum: 14} as const

/** All files that the services of these need, and the older name of reflection. */
export function describeFiles(files: readonly ProtoFile[]): readonly DescribedFile[] {
  const known = Object.entries(wellKnownFiles).map(([name, text]) => ({
    name,
    file: parseProto(`package google.protobuf; ${text}`),
  }))
  const reflection = files.filter((file) => file.package === 'grpc.reflection.v1').map(olderReflection)
  const all = [
    ...known,
    ...[...files, ...reflection]
      .filter((file) => fileNames[file.package] !== undefined)
      .map((file) => ({name: fileNames[file.package]!, file})),
  ]
  /** by type: the file that has it, and whether it is an enum */
  const homes = new Map<string, {name: string; kind: number}>()
  for (const {name, file} of all) {
    for (const message of file.messages) homes.set(message.name, {name, kind: kinds.message})
    for (const one of file.enums) homes.set(one.name, {name, kind: kinds.enum})
  }
  return all.map(({name, file}) => describe(name, file, homes))
}

function olderReflection(file: ProtoFile): ProtoFile {
  const older = (name: string) => name.replace('grpc.reflection.v1.', 'grpc.reflection.v1alpha.')
  return {
    ...file,
    package: 'grpc.reflection.v1alpha',
    messages: file.messages.map((message) => ({...message, name: older(message.name)})),
    enums: file.enums.map((one) => ({...one, name: older(one.name)})),
  }
}

/** As protoc makes it: `source_port` is sourcePort. Clients that print JSON take the field's own name without it. */
function jsonName(name: string): string {
  return name.replace(/_+(.?)/g, (_, next: string) => next.toUpperCase())
}

type Homes = ReadonlyMap<string, {readonly name: string; readonly kind: number}>

function describe(name: string, file: ProtoFile, homes: Homes): DescribedFile {
  const imports = new Set<string>()
  const find = (type: string, scope: string): {full: string; kind: number} => {
    // the innermost scope first, as the language has it
    for (let at = scope; ; at = at.slice(0, Math.max(0, at.lastIndexOf('.')))) {
      const full = at === '' ? type : `${at}.${type}`
      const home = homes.get(full)
      if (home !== undefined) {
        if (home.name !== name) imports.add(home.name)
        return {full, kind: home.kind}
      }
      if (at === '') throw new Error(`${name} uses ${type}, which no file has`)
    }
  }
  const nested = <T extends {readonly name: string}>(all: readonly T[], scope: string) =>
    all.filter((one) => one.name.slice(0, one.name.lastIndexOf('.')) === scope)
  const message = ({name: full, fields}: MessageNode): Uint8Array => {
    const oneofs = [...new Set(fields.flatMap(({oneof}) => (oneof === undefined ? [] : [oneof])))]
    return join([
      text(1, last(full)),
      ...fields.map((one) => bytes(2, field(one, full, oneofs))),
      ...nested(file.messages, full).map((one) => bytes(3, message(one))),
      ...nested(file.enums, full).map((one) => bytes(4, enumeration(one))),
      ...oneofs.map((one) => bytes(8, text(1, one))),
    ])
  }
  const field = (one: FieldNode, scope: string, oneofs: readonly string[]): Uint8Array => {
    const scalar = scalarTypes[one.type]
    const found = scalar === undefined ? find(one.type, scope) : undefined
    return join([
      text(1, one.name),
      number(3, one.number),
      number(4, one.repeated ? labels.repeated : labels.optional),
      number(5, scalar ?? found!.kind),
      ...(found === undefined ? [] : [text(6, `.${found.full}`)]),
      ...(one.oneof === undefined ? [] : [number(9, oneofs.indexOf(one.oneof))]),
      text(10, jsonName(one.name)),
    ])
  }
  const services = file.services.map((service) =>
    join([
      text(1, service.name),
      ...service.methods.map((method) =>
        bytes(
          2,
          join([
            text(1, method.name),
            text(2, `.${find(method.request, file.package).full}`),
            text(3, `.${find(method.response, file.package).full}`),
            ...(method.requestStream ? [number(5, 1)] : []),
            ...(method.responseStream ? [number(6, 1)] : []),
          ]),
        ),
      ),
    ]),
  )
  const body = [
    ...nested(file.messages, file.package).map((one) => bytes(4, message(one))),
    ...nested(file.enums, file.package).map((one) => bytes(5, enumeration(one))),
    ...services.map((one) => bytes(6, one)),
  ]
  const sorted = [...imports].sort()
  return {
    name,
    symbols: [
      ...file.messages.map((one) => one.name),
      ...file.enums.map((one) => one.name),
      ...file.services.flatMap((service) => [
        `${file.package}.${service.name}`,
        ...service.methods.map((method) => `${file.package}.${service.name}.${method.name}`),
      ]),
    ],
    imports: sorted,
    bytes: join([
      text(1, name),
      text(2, file.package),
      ...sorted.map((one) => text(3, one)),
      ...body,
      text(12, 'proto3'),
    ]),
  }
}

function enumeration({name, members}: EnumNode): Uint8Array {
  return join([
    text(1, last(name)),
    ...members.map((one) => bytes(2, join([text(1, one.name), number(2, one.number)]))),
  ])
}

function last(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

function varint(value: number): number[] {
  const out: number[] = []
  let rest = value
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) out.push((rest & 0x7f) | 0x80)
  out.push(rest)
  return out
}

function number(field: number, value: number): Uint8Array {
  return Uint8Array.from([...varint(field << 3), ...varint(value)])
}

function bytes(field: number, value: Uint8Array): Uint8Array {
  return join([Uint8Array.from([...varint((field << 3) | 2), ...varint(value.length)]), value])
}

function text(field: number, value: string): Uint8Array {
  return bytes(field, new TextEncoder().encode(value))
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts))
}
