/** Small answers in the form that -o asks for. */
import {
  type Namespace,
  Namespace as NamespaceType,
  type Node,
  Node as NodeType,
  type ServerStatusResponse,
  ServerStatusResponse as StatusType,
} from '../../api/gen/observer.ts'
import {messageToJson} from '../../api/wire/json.ts'
import {toJson} from '../render/text.ts'
import {jsonLine} from './flow-printer.ts'
import {namespacesText, nodesText, type StatusFormat, statusText} from './status.ts'

export function statusAnswer(status: ServerStatusResponse, server: string, output: string): string {
  if (output === 'json') return `${jsonLine(messageToJson(StatusType, status))}\n`
  return statusText(status, server, output as StatusFormat)
}

export function nodesAnswer(nodes: readonly Node[], output: string): string {
  if (output === 'json') return `${toJson(nodes.map((node) => messageToJson(NodeType, node)))}\n`
  return nodesText(nodes, output === 'wide')
}

export function namespacesAnswer(namespaces: readonly Namespace[], output: string): string {
  if (output === 'json') return `${toJson(namespaces.map((one) => messageToJson(NamespaceType, one)))}\n`
  return namespacesText(namespaces, output === 'wide')
}
