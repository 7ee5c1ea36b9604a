/** Puts a lab's access into a kubeconfig of the user, who asked for it. */
import {existsSync, readFileSync, renameSync, writeFileSync} from 'node:fs'
import {parse, stringify} from 'yaml'
import {fail} from '../runtime/errors.ts'
import {LAB_OPTION_INVALID} from './errors.ts'

interface Named {
  readonly name: string
}

interface Kubeconfig {
  readonly clusters?: readonly Named[]
  readonly users?: readonly Named[]
  readonly contexts?: readonly Named[]
  readonly 'current-context'?: string
}

/** Entries of the same name are replaced, all others stay; the lab becomes the current context. */
export function mergeKubeconfig(from: string, into: string): void {
  const ours = parse(readFileSync(from, 'utf8')) as Kubeconfig
  const theirs = (existsSync(into) ? parse(readFileSync(into, 'utf8')) : undefined) ?? {
    apiVersion: 'v1',
    kind: 'Config',
  }
  if (typeof theirs !== 'object' || Array.isArray(theirs)) {
    fail(LAB_OPTION_INVALID, {option: '--kubeconfig', value: into, reason: 'the file is no kubeconfig'})
  }
  writeFileSync(`${into}.new`, stringify(mergeConfigs(theirs as Kubeconfig, ours)), {mode: 0o600})
  renameSync(`${into}.new`, into)
}

export function mergeConfigs(theirs: Kubeconfig, ours: Kubeconfig): Kubeconfig {
  const join = (key: 'clusters' | 'users' | 'contexts') => {
    const added = ours[key] ?? []
    const kept = (theirs[key] ?? []).filter((entry) => !added.some((other) => other.name === entry.name))
    return [...kept, ...added]
  }
  return {
    ...theirs,
    clusters: join('clusters'),
    users: join('users'),
    contexts: join('contexts'),
    'current-context': ours['current-context'] ?? '',
  }
}
