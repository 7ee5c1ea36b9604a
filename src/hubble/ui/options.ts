/** The flags of hubble-ui. */
import {isIP} from 'node:net'
import {fail} from '../../runtime/errors.ts'
import {UI_FLAG_INVALID} from './errors.ts'
import type {ObserverAddress} from './observer-client.ts'

export interface UiOptions {
  /** undefined: all addresses */
  readonly host: string | undefined
  readonly port: number
  readonly observer: ObserverAddress
  /** with a slash at both ends */
  readonly baseUrl: string
  readonly hosts: readonly string[]
  readonly pagesMax: number
}

const defaults = {
  'listen-address': ':8081',
  relay: 'hubble-relay:80',
  'base-url': '/',
  'allowed-hosts': '',
  'max-pages': '64',
  tls: 'false',
  'tls-ca-cert-file': '',
  'tls-client-cert-file': '',
  'tls-client-key-file': '',
  'tls-server-name': '',
}
type Flag = keyof typeof defaults

/** @throws UI_FLAG_INVALID */
export function parseUiFlags(argv: readonly string[]): UiOptions {
  const given: Record<Flag, string> = {...defaults}
  for (const word of argv) {
    const [, flag = '', , value] = /^--([a-z-]+)(=(.*))?$/s.exec(word) ?? []
    if (!Object.hasOwn(defaults, flag))
      fail(UI_FLAG_INVALID, {flag: word.slice(0, 100), detail: 'there is no such flag'})
    given[flag as Flag] = value ?? 'true'
  }
  const file = (flag: Flag) => given[flag] || undefined
  const [host, port] = listenAddress(given['listen-address'])
  return {
    host,
    port,
    observer: {
      target: given.relay,
      tls:
        given.tls === 'true'
          ? {
              authorityFile: file('tls-ca-cert-file'),
              certificateFile: file('tls-client-cert-file'),
              keyFile: file('tls-client-key-file'),
              serverName: file('tls-server-name'),
            }
          : undefined,
    },
    baseUrl: baseUrl(given['base-url']),
    hosts: given['allowed-hosts']
      .split(',')
      .filter((name) => name !== '')
      .map((name) => name.toLowerCase()),
    pagesMax: whole('max-pages', given['max-pages'], 1, 10_000),
  }
}

function listenAddress(text: string): [host: string | undefined, port: number] {
  const [, six, other = '', port = ''] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? []
  if (port === '') fail(UI_FLAG_INVALID, {flag: `--listen-address=${text}`, detail: 'it is host:port or :port'})
  if (six !== undefined && isIP(six) !== 6)
    fail(UI_FLAG_INVALID, {flag: `--listen-address=${text}`, detail: 'no address'})
  return [six ?? (other || undefined), whole('listen-address', port, 0, 65535)]
}

function whole(flag: Flag, text: string, min: number, max: number): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= min && number <= max) return number
  return fail(UI_FLAG_INVALID, {flag: `--${flag}=${text}`, detail: `a number from ${min} to ${max} is`})
}

/** Goes into the page as an attribute: only what paths are made of. */
function baseUrl(text: string): string {
  const path = `/${text}/`.replace(/\/+/g, '/')
  if (!/^\/(?:[A-Za-z0-9._~-]+\/)*$/.test(path)) fail(UI_FLAG_INVALID, {flag: `--base-url=${text}`, detail: 'no path'})
  return path
}
