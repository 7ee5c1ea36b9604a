/** Labels that say who the ends of a flow are, as the options of a metric ask for them. */
import type {Endpoint, Flow} from '../../api/gen/flow.ts'
import {fail} from '../../runtime/errors.ts'
import {HUBBLE_METRIC_INVALID} from './errors.ts'
import type {MetricSpec} from './spec.ts'

export interface Contexts {
  readonly names: readonly string[]
  values(flow: Flow): readonly string[]
  /** Do these values, in the order of the names, say who this pod is? */
  isAbout(values: readonly string[], namespace: string, pod: string): boolean
}

type End = 'source' | 'destination'
type Context = (flow: Flow, end: End) => string

const appKeys = ['app.kubernetes.io/name', 'k8s-app', 'app'] as const

const contexts: Readonly<Record<string, Context>> = {
  identity: (flow, end) => labelsOf(flow[end]).join(','),
  namespace: (flow, end) => flow[end]?.namespace ?? '',
  pod: (flow, end) => qualified(flow[end]?.namespace, flow[end]?.pod_name),
  'pod-name': (flow, end) => flow[end]?.pod_name ?? '',
  dns: (flow, end) => (flow[`${end}_names`] ?? []).join(','),
  ip: (flow, end) => flow.IP?.[end] ?? '',
  'reserved-identity': (flow, end) => reserved(flow[end]),
  workload: (flow, end) => qualified(flow[end]?.namespace, flow[end]?.workloads?.[0]?.name),
  'workload-name': (flow, end) => flow[end]?.workloads?.[0]?.name ?? '',
  app: (flow, end) => app(flow[end]),
}

const labelContexts: Readonly<Record<string, (flow: Flow) => string>> = {
  ...endLabels('source'),
  ...endLabels('destination'),
  traffic_direction: ({traffic_direction: direction}) =>
    direction === 1 ? 'ingress' : direction === 2 ? 'egress' : 'unknown',
}

function endLabels(end: End): Record<string, (flow: Flow) => string> {
  return {
    [`${end}_ip`]: (flow) => flow.IP?.[end] ?? '',
    [`${end}_namespace`]: (flow) => flow[end]?.namespace ?? '',
    [`${end}_pod`]: (flow) => flow[end]?.pod_name ?? '',
    [`${end}_workload`]: (flow) => flow[end]?.workloads?.[0]?.name ?? '',
    [`${end}_workload_kind`]: (flow) => flow[end]?.workloads?.[0]?.kind ?? '',
    [`${end}_app`]: (flow) => app(flow[end]),
  }
}

/** @throws HUBBLE_METRIC_INVALID for a context that nobody knows */
export function contextsOf({name, options}: MetricSpec): Contexts {
  const chosen = (option: string): Context | undefined => {
    const value = options.get(option.toLowerCase())
    if (value === undefined) return undefined
    const wanted = value
      .split('|')
      .map(
        (word) =>
          contexts[word] ?? fail(HUBBLE_METRIC_INVALID, {spec: name, detail: `${option}=${word} is no context`}),
      )
    // the first that says something
    return (flow, end) => {
      for (const one of wanted) {
        const text = one(flow, end)
        if (text !== '') return text
      }
      return ''
    }
  }
  const names: string[] = []
  /** by place: how a pod is told there */
  const podForms: ('qualified' | 'name' | undefined)[] = []
  const readers: ((flow: Flow) => string)[] = []
  for (const end of ['source', 'destination'] as const) {
    const plain = chosen(`${end}Context`)
    const egress = chosen(`${end}EgressContext`)
    const ingress = chosen(`${end}IngressContext`)
    if (plain === undefined && egress === undefined && ingress === undefined) continue
    names.push(end)
    const words = ['Context', 'EgressContext', 'IngressContext'].flatMap((kind) =>
      (options.get(`${end}${kind}`.toLowerCase()) ?? '').split('|'),
    )
    podForms.push(words.includes('pod') ? 'qualified' : words.includes('pod-name') ? 'name' : undefined)
    readers.push((flow) => {
      const own = flow.traffic_direction === 2 ? egress : flow.traffic_direction === 1 ? ingress : undefined
      return (own ?? plain)?.(flow, end) ?? ''
    })
  }
  for (const word of (options.get('labelscontext') ?? '').split(',').filter((one) => one !== '')) {
    const read = labelContexts[word]
    if (read === undefined) fail(HUBBLE_METRIC_INVALID, {spec: name, detail: `labelsContext=${word} is no label`})
    names.push(word)
    podForms.push(word.endsWith('_pod') ? 'name' : undefined)
    readers.push(read!)
  }
  return {
    names,
    values: (flow) => readers.map((read) => read(flow)),
    isAbout: (values, namespace, pod) =>
      podForms.some((form, place) => {
        if (form === 'qualified') return values[place] === `${namespace}/${pod}`
        if (form !== 'name' || values[place] !== pod) return false
        const beside = names.indexOf(names[place]!.replace('_pod', '_namespace'))
        return beside < 0 || beside === place || values[beside] === namespace
      }),
  }
}

function labelsOf(endpoint: Endpoint | undefined): readonly string[] {
  return endpoint?.labels ?? []
}

function qualified(namespace: string | undefined, name: string | undefined): string {
  if (name === undefined || name === '') return ''
  return namespace === undefined || namespace === '' ? name : `${namespace}/${name}`
}

function reserved(endpoint: Endpoint | undefined): string {
  const found = labelsOf(endpoint).filter((label) => label.startsWith('reserved:'))
  return found.find((label) => label === 'reserved:kube-apiserver') ?? found[0] ?? ''
}

function app(endpoint: Endpoint | undefined): string {
  for (const key of appKeys) {
    const label = labelsOf(endpoint).find((one) => one.startsWith(`k8s:${key}=`))
    if (label !== undefined) return label.slice(`k8s:${key}=`.length)
  }
  return ''
}
