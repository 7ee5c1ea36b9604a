import type {Schema} from './schema.ts'

export interface PrinterColumn {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean' | 'date'
  readonly jsonPath: string
  readonly description?: string
  /** 1: only with `-o wide` */
  readonly priority?: number
}

export const ageColumn: PrinterColumn = {name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp'}

export interface KindVersion {
  readonly name: 'v2' | 'v2alpha1'
  readonly deprecated?: true
}

/** One of our kinds, before it becomes a CustomResourceDefinition. */
export interface Kind {
  readonly kind: string
  readonly singular: string
  readonly plural: string
  readonly shortNames: readonly string[]
  readonly scope: 'Namespaced' | 'Cluster'
  readonly categories: readonly string[]
  /** the stored one first; all are served, with one schema */
  readonly versions: readonly [KindVersion, ...KindVersion[]]
  readonly hasStatus: boolean
  readonly columns: readonly PrinterColumn[]
  readonly description: string
  /** everything beside apiVersion, kind and metadata */
  readonly schema: Schema
}

export const group = 'cilium.io'

/** The label that says which set of schemas a definition comes from; a newer set replaces an older one, never back. */
export const schemaVersionLabel = 'io.cilium.k8s.crd.schema.version'

/** Raised with every change of any schema. Above 1.34.2, the set whose fields these are. */
export const schemaVersion = '1.34.10'

/** A CustomResourceDefinition as apiextensions.k8s.io/v1 takes it. */
export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1'
  readonly kind: 'CustomResourceDefinition'
  readonly metadata: {readonly name: string; readonly labels: Readonly<Record<string, string>>}
  readonly spec: {
    readonly group: string
    readonly scope: Kind['scope']
    readonly names: {
      readonly kind: string
      readonly listKind: string
      readonly plural: string
      readonly singular: string
      readonly shortNames?: readonly string[]
      readonly categories: readonly string[]
    }
    readonly versions: readonly object[]
  }
}

/** The definition that the API server gets. */
export function definitionOf(kind: Kind): CustomResourceDefinition {
  const metadata: Record<string, Schema> = {
    apiVersion: {type: 'string'},
    kind: {type: 'string'},
    metadata: {type: 'object'},
  }
  const openAPIV3Schema: Schema = {
    ...kind.schema,
    description: kind.description,
    properties: {...metadata, ...kind.schema.properties},
    required: ['metadata', ...(kind.schema.required ?? [])],
  }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {name: `${kind.plural}.${group}`, labels: {[schemaVersionLabel]: schemaVersion}},
    spec: {
      group,
      scope: kind.scope,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural: kind.plural,
        singular: kind.singular,
        ...(kind.shortNames.length > 0 ? {shortNames: kind.shortNames} : {}),
        categories: kind.categories,
      },
      versions: kind.versions.map(({name, deprecated}, index) => ({
        name,
        served: true,
        storage: index === 0,
        ...(deprecated ? {deprecated: true} : {}),
        ...(kind.hasStatus ? {subresources: {status: {}}} : {}),
        ...(kind.columns.length > 0 ? {additionalPrinterColumns: kind.columns} : {}),
        schema: {openAPIV3Schema},
      })),
    },
  }
}
