/** What a request looked like, and answers in the form of the real server's. */
import type http from 'node:http'
import type {Resource} from '../../../src/k8s/resources.ts'
import type {Json} from './patches.ts'

export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export type Answer = {readonly status: number; readonly body: Json; readonly headers?: Record<string, string>}

export function status(code: number, reason: string, message: string): Answer {
  return {
    status: code,
    body: {kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code},
  }
}

export function invalid(resource: Resource, name: string, field: string, message: string): Answer {
  const answer = status(422, 'Invalid', `${resource.kind} "${name}" is invalid: ${field}: ${message}`)
  return {
    ...answer,
    body: {
      ...answer.body,
      details: {name, kind: resource.kind, causes: [{field, message, reason: 'FieldValueRequired'}]},
    },
  }
}

export function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function isTrue(text: string | null): boolean {
  return text === 'true' || text === '1'
}

export function wantsMetadata(seen: SeenRequest): boolean {
  return /as=PartialObjectMetadata/.test(seen.headers.accept ?? '')
}

export function metadataOf({metadata}: Json): Json {
  return {kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata}
}

export function managerOf(seen: SeenRequest): string {
  return seen.query.get('fieldManager') ?? String(seen.headers['user-agent'] ?? 'unknown').split('/')[0]!
}
