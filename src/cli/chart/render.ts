/** Renders a chart to manifests, in the order and the form in which Helm stores them. */
import {CiliumError, fail} from '../../runtime/errors.ts'
import type {Chart} from './chart.ts'
import {TEMPLATE_FAILED} from './errors.ts'
import {templateSet} from './template/evaluate.ts'
import {templateFunctions} from './template/functions.ts'
import {parseYaml} from './template/go-yaml.ts'
import {parseTemplate} from './template/parse.ts'
import type {ParsedFile} from './template/syntax.ts'
import {deepCopy, isTree, type Tree, tree, type Value} from './template/value.ts'

export interface RenderOptions {
  readonly releaseName: string
  readonly namespace: string
  /** number of the release, from 1 */
  readonly revision: number
  readonly isUpgrade: boolean
  /** as the API server reports it: v1.34.4 */
  readonly kubernetesVersion: string
}

export interface Manifest {
  /** file it came from: cilium/templates/config.yaml */
  readonly source: string
  /** its YAML, trimmed */
  readonly text: string
  /** its YAML parsed */
  readonly object: Tree
}

export interface Rendered {
  /** in the order of installation */
  readonly manifests: readonly Manifest[]
  /** NOTES.txt */
  readonly notes: string
}

/**
 * @param values the chart's defaults merged with the user's (values.ts)
 * @throws TEMPLATE_INVALID, TEMPLATE_FAILED; VALUES_REFUSED when a template refuses the values
 */
export function renderChart(chart: Chart, values: Tree, options: RenderOptions): Rendered {
  const files = parsedTemplates(chart)
  const set = templateSet(files, templateFunctions)
  const shared = deepCopy(values)
  const texts = new Map<string, string>()
  // templates see each other's changes to values, so the order is Helm's: deepest first, backwards by name
  for (const file of files.map((one) => one.file).sort(renderingOrder)) {
    if (file.split('/').at(-1)!.startsWith('_')) continue
    texts.set(file, set.render(file, rootData(chart, shared, file, options)))
  }
  const notesFile = `${chart.name}/templates/NOTES.txt`
  const notes = texts.get(notesFile) ?? ''
  texts.delete(notesFile)
  const manifests = [...texts.keys()].sort().flatMap((source) => splitManifests(source, texts.get(source)!))
  return {manifests: manifests.sort((a, b) => rank(a) - rank(b)), notes}
}

/** The text that one define of the chart makes of these values: how other code reads the chart's own tables. */
export function renderDefine(chart: Chart, name: string): string {
  return templateSet(parsedTemplates(chart), templateFunctions).include(name, tree())
}

const parsed = new WeakMap<Chart, readonly ParsedFile[]>()

function parsedTemplates(chart: Chart): readonly ParsedFile[] {
  const known = parsed.get(chart)
  if (known !== undefined) return known
  const files = chart.templates.map(({name, text}) => parseTemplate(`${chart.name}/${name}`, text))
  parsed.set(chart, files)
  return files
}

/** All manifests in one text, as Helm stores and prints them. */
export function manifestText(manifests: readonly Manifest[]): string {
  return manifests.map(({source, text}) => `---\n# Source: ${source}\n${text}\n`).join('')
}

function rootData(chart: Chart, values: Tree, file: string, options: RenderOptions): Tree {
  const [major = '', minor = ''] = options.kubernetesVersion.replace(/^v/, '').split('.')
  const name = (key: string): Value => chart.metadata[key] ?? ''
  return tree([
    ['Values', values],
    [
      'Chart',
      tree([
        ['Name', name('name')],
        ['Version', name('version')],
        ['AppVersion', name('appVersion')],
        ['Description', name('description')],
        ['KubeVersion', name('kubeVersion')],
      ]),
    ],
    [
      'Release',
      tree([
        ['Name', options.releaseName],
        ['Namespace', options.namespace],
        ['Revision', BigInt(options.revision)],
        ['IsInstall', !options.isUpgrade],
        ['IsUpgrade', options.isUpgrade],
        ['Service', 'Helm'],
      ]),
    ],
    [
      'Capabilities',
      tree([
        [
          'KubeVersion',
          tree([
            ['Version', options.kubernetesVersion],
            ['Major', major],
            ['Minor', minor],
          ]),
        ],
      ]),
    ],
    [
      'Template',
      tree([
        ['Name', file],
        ['BasePath', `${chart.name}/templates`],
      ]),
    ],
  ])
}

function renderingOrder(a: string, b: string): number {
  const depth = b.split('/').length - a.split('/').length
  return depth !== 0 ? depth : a < b ? 1 : -1
}

function splitManifests(source: string, text: string): Manifest[] {
  return text
    .trim()
    .split(/(?:^|\s*\n)---\s*/)
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const object = parseManifest(source, part)
      return object === undefined ? undefined : {source, text: part, object}
    })
    .filter((manifest) => manifest !== undefined)
}

/** The object of a document; undefined when it holds comments only. */
function parseManifest(source: string, text: string): Tree | undefined {
  let object: Value
  try {
    object = parseYaml(text)
  } catch (thrown) {
    const detail = thrown instanceof CiliumError ? thrown.message : (thrown as Error).message
    return fail(TEMPLATE_FAILED, {at: source, detail: `what it makes is not YAML: ${detail}`}, {cause: thrown})
  }
  if (object === null) return undefined
  return isTree(object) ? object : fail(TEMPLATE_FAILED, {at: source, detail: 'what it makes is not an object'})
}

/** Helm's order of installation. Kinds it does not name come last. */
const installOrder: readonly string[] = [
  'PriorityClass',
  'Namespace',
  'NetworkPolicy',
  'ResourceQuota',
  'LimitRange',
  'PodSecurityPolicy',
  'PodDisruptionBudget',
  'ServiceAccount',
  'Secret',
  'SecretList',
  'ConfigMap',
  'StorageClass',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'CustomResourceDefinition',
  'ClusterRole',
  'ClusterRoleList',
  'ClusterRoleBinding',
  'ClusterRoleBindingList',
  'Role',
  'RoleList',
  'RoleBinding',
  'RoleBindingList',
  'Service',
  'DaemonSet',
  'Pod',
  'ReplicationController',
  'ReplicaSet',
  'Deployment',
  'HorizontalPodAutoscaler',
  'StatefulSet',
  'Job',
  'CronJob',
  'IngressClass',
  'Ingress',
  'APIService',
]

function rank({object}: Manifest): number {
  const index = installOrder.indexOf(String(object['kind'] ?? ''))
  return index === -1 ? installOrder.length : index
}
