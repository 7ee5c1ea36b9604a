/** Policies in files, as people keep them beside their programs. */
import {readFile} from 'node:fs/promises'
import {text as readAll} from 'node:stream/consumers'
import {parseAllDocuments} from 'yaml'
import type {KubeObject} from '../../k8s/resources.ts'
import {policyKindOf} from '../../policy/policy-object.ts'
import {fail} from '../../runtime/errors.ts'
import type {PolicySource} from './cluster-objects.ts'
import {POLICY_FILE_INVALID} from './errors.ts'

/** Documents and lists of a file; other kinds are left out. A policy without a namespace belongs to `default`. */
export async function readPolicyFiles(files: readonly string[]): Promise<PolicySource[]> {
  return (await Promise.all(files.map(readPolicyFile))).flat()
}

/** @param file `-` reads from standard input @throws POLICY_FILE_INVALID */
export async function readPolicyFile(file: string): Promise<PolicySource[]> {
  const content = await (file === '-' ? readAll(process.stdin) : readFile(file, 'utf8')).catch((thrown: Error) =>
    fail(POLICY_FILE_INVALID, {file, detail: thrown.message}, {cause: thrown}),
  )
  const documents = parseAllDocuments(content)
  if (!Array.isArray(documents)) return fail(POLICY_FILE_INVALID, {file, detail: 'it is empty'})
  const found = documents.flatMap((document) => {
    const [error] = document.errors
    if (error !== undefined) return fail(POLICY_FILE_INVALID, {file, detail: error.message})
    const value = document.toJS({maxAliasCount: 100})
    return Array.isArray(value?.items) ? value.items : [value]
  })
  const policies = found.flatMap((object): PolicySource[] => {
    const kind = policyKindOf(object)
    if (kind === undefined) return []
    const {namespace = 'default', ...metadata} = object.metadata ?? {}
    const own = kind === 'CiliumClusterwideNetworkPolicy' ? metadata : {...metadata, namespace}
    return [{kind, object: {...object, metadata: own} as KubeObject}]
  })
  if (policies.length === 0) return fail(POLICY_FILE_INVALID, {file, detail: 'no document is a policy'})
  return policies
}
