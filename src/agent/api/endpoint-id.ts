/** The many ways to name an endpoint: `7`, `container-id:…`, `pod-name:ns:pod`, `ipv4:…`. Pure. */
import {fail} from '../../runtime/errors.ts'
import {codes} from '../errors.ts'
import type {EndpointRow} from '../state/rows.ts'
import type {Tables} from '../state/tables.ts'

/** @throws ENDPOINT_ID_INVALID, ENDPOINT_NOT_FOUND */
export function findEndpoint({endpoints}: Pick<Tables, 'endpoints'>, text: string): EndpointRow {
  const rows = candidates(endpoints, text)
  return rows[0] ?? fail(codes.ENDPOINT_NOT_FOUND, {endpoint: text.slice(0, 100)})
}

function candidates(endpoints: Tables['endpoints'], text: string): readonly EndpointRow[] {
  const colon = text.indexOf(':')
  const prefix = colon < 0 ? 'cilium-local' : text.slice(0, colon)
  const value = text.slice(colon + 1)
  switch (prefix) {
    case 'cilium-local': {
      const row = /^\d{1,5}$/.test(value) ? endpoints.get(String(Number(value))) : invalid(text)
      return row === undefined ? [] : [row]
    }
    case 'container-id':
    case 'docker-endpoint':
      return [...endpoints.values()].filter((row) => value !== '' && row.containerId.startsWith(value))
    case 'cni-attachment-id':
      return endpoints.by('attachment', value)
    case 'pod-name':
      return endpoints.by('pod', value.replace(':', '/'))
    case 'cep-name':
      return endpoints.by('pod', value.replace(/[:/]/, '/'))
    case 'ipv4':
    case 'ipv6':
      return endpoints.by('ip', value)
    default:
      return invalid(text)
  }
}

function invalid(text: string): never {
  return fail(codes.ENDPOINT_ID_INVALID, {id: text.slice(0, 100)})
}
