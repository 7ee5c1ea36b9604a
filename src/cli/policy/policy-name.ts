/** Policies by the names that people use. */
import type {PolicyRef} from '../../policy/rule.ts'
import type {PolicySource} from './cluster-objects.ts'

/** `CiliumNetworkPolicy default/web` */
export function nameOfPolicy({kind, namespace, name}: PolicyRef): string {
  return `${kind} ${namespace === '' ? name : `${namespace}/${name}`}`
}

export function refOfSource({kind, object}: PolicySource): PolicyRef {
  const {name, namespace = '', uid = ''} = object.metadata
  return {kind, namespace, name, uid}
}

/** The policies as they would be with these applied. */
export function replacePolicies(policies: readonly PolicySource[], applied: readonly PolicySource[]): PolicySource[] {
  const names = new Set(applied.map((source) => nameOfPolicy(refOfSource(source))))
  return [...policies.filter((source) => !names.has(nameOfPolicy(refOfSource(source)))), ...applied]
}
