/** `hubble config view|get|set|reset`. */
import {fail} from '../../runtime/errors.ts'
import {readHubbleConfig, writeHubbleConfig} from './config.ts'
import {HUBBLE_FLAG_VALUE} from './errors.ts'

const keys = [
  'allowlist',
  'basic-auth-password',
  'basic-auth-username',
  'debug',
  'denylist',
  'kube-context',
  'kube-namespace',
  'kubeconfig',
  'port-forward',
  'port-forward-port',
  'request-timeout',
  'server',
  'timeout',
  'tls',
  'tls-allow-insecure',
  'tls-ca-cert-files',
  'tls-client-cert-file',
  'tls-client-key-file',
  'tls-server-name',
] as const

function known(key: string): string {
  if (!(keys as readonly string[]).includes(key)) {
    fail(HUBBLE_FLAG_VALUE, {flag: key, detail: 'there is no such key', expected: keys.join(', ')})
  }
  return key
}

export async function viewConfig(path: string | undefined): Promise<string> {
  const {stringify} = await import('yaml')
  const {values} = await readHubbleConfig(path)
  // secrets are nobody's to read over a shoulder
  const shown = 'basic-auth-password' in values ? {...values, 'basic-auth-password': '***'} : values
  return Object.keys(shown).length === 0 ? '{}\n' : stringify(shown)
}

/** One value, or all. */
export async function getConfig(path: string | undefined, key: string | undefined): Promise<string> {
  if (key === undefined) return viewConfig(path)
  const {values} = await readHubbleConfig(path)
  const value = values[known(key)]
  return `${value === undefined ? '' : Array.isArray(value) ? value.join(',') : String(value)}\n`
}

/** @param value undefined: back to the default */
export async function setConfig(path: string | undefined, key: string, value: string | undefined): Promise<void> {
  await writeHubbleConfig(await readHubbleConfig(path), known(key), value)
}

/** @param key undefined: all keys */
export async function resetConfig(path: string | undefined, key: string | undefined): Promise<void> {
  const wanted = key === undefined ? keys : [known(key)]
  for (const one of wanted) {
    const config = await readHubbleConfig(path)
    if (one in config.values) await writeHubbleConfig(config, one, undefined)
  }
}
