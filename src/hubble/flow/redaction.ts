/** Takes out of records of layer 7 what they must not tell: passwords in URLs, queries, headers (`hubble.redact.*`). */
import type {HTTP, Layer7} from '../../api/gen/flow.ts'

/** Plain values. */
export interface RedactionWishes {
  /** what stands behind the ? of a URL */
  readonly urlQuery: boolean
  /** user and password in front of the @ of a URL */
  readonly userInfo: boolean
  readonly headers: {
    /** all others are redacted */
    readonly allow: readonly string[]
    /** these are redacted, and no others; with neither list all are */
    readonly deny: readonly string[]
  }
  /** of Kafka */
  readonly apiKey: boolean
}

/** in place of what was there, as the original has it */
const hidden = 'HUBBLE_REDACTED'

export type Redact = (record: Layer7) => Layer7

/** A function that leaves its argument as it is, and gives a record that may be told. */
export function redaction({urlQuery, userInfo, headers, apiKey}: RedactionWishes): Redact {
  const allow = new Set(headers.allow.map((name) => name.toLowerCase()))
  const deny = new Set(headers.deny.map((name) => name.toLowerCase()))
  const isHidden = (name: string) =>
    allow.size > 0 || deny.size === 0 ? !allow.has(name.toLowerCase()) : deny.has(name.toLowerCase())
  const http = (record: HTTP): HTTP => {
    const {url, headers: given} = record
    return {
      ...record,
      ...(url === undefined ? {} : {url: redactUrl(url, urlQuery, userInfo)}),
      ...(given === undefined
        ? {}
        : {headers: given.map(({key, value}) => ({key, value: isHidden(key ?? '') ? hidden : value}))}),
    }
  }
  return (record) => ({
    ...record,
    ...(record.http === undefined ? {} : {http: http(record.http)}),
    ...(record.kafka === undefined || !apiKey ? {} : {kafka: {...record.kafka, api_key: hidden}}),
  })
}

/** By hand, not by a parser of URLs: what no parser takes must not be told either. */
function redactUrl(url: string, query: boolean, user: boolean): string {
  const mark = url.search(/[?#]/)
  const place = mark < 0 ? url : url.slice(0, mark)
  const rest = mark < 0 ? '' : url.slice(mark)
  return `${user ? redactUser(place) : place}${query ? '' : rest}`
}

/** Up to the last @ of the authority: a password may have one itself. */
function redactUser(place: string): string {
  const [, scheme = '', authority = '', path = ''] = /^([a-z][-+.a-z0-9]*:\/\/|\/\/)?([^/]*)(.*)$/is.exec(place) ?? []
  if (scheme === '') return place
  const at = authority.lastIndexOf('@')
  if (at < 0) return place
  const [name = '', ...password] = authority.slice(0, at).split(':')
  return `${scheme}${password.length === 0 ? name : `${name}:${hidden}`}${authority.slice(at)}${path}`
}
