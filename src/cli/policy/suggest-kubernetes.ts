/**
 * Suggested policies as NetworkPolicies of Kubernetes. They say less than ours: what they cannot say (ICMP, nodes, the API
 * server) is named in a comment.
 */
import {type SuggestedRule, type Suggestion, suggestionDocuments} from './suggest.ts'

type Rule = Record<string, unknown>

const namespaceKey = 'k8s:io.kubernetes.pod.namespace'
const world = [{ipBlock: {cidr: '0.0.0.0/0'}}, {ipBlock: {cidr: '::/0'}}]

/** YAML for `kubectl apply`, with the reasons as comments. */
export function networkPolicyText(suggestion: Suggestion, about: string): string {
  return suggestionDocuments(suggestion, about, (policy) => {
    const left: string[] = []
    const ingress = rules(policy.ingress, 'from', left)
    const egress = rules(policy.egress, 'to', left)
    return {
      object: {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: {name: policy.name, namespace: policy.namespace},
        spec: {
          podSelector: {matchLabels: policy.labels},
          policyTypes: ['Ingress', 'Egress'],
          // an empty list selects nobody
          ingress: ingress.map(({rule}) => rule),
          egress: egress.map(({rule}) => rule),
        },
      },
      ingress,
      egress,
      comment: [policy.comment, ...left].filter((text) => text !== '').join('\n'),
    }
  })
}

function rules(suggested: readonly SuggestedRule[], side: 'from' | 'to', left: string[]): SuggestedRule[] {
  return suggested.flatMap(({rule, comment}) => {
    const peers = peersOf(rule, side)
    if (rule['icmps'] !== undefined) left.push(`a NetworkPolicy cannot say ICMP: ${comment}`)
    else if (peers === undefined) left.push(`a NetworkPolicy cannot name them: ${comment}`)
    else return [{rule: {[side]: peers, ...portsOf(rule)}, comment}]
    return []
  })
}

function peersOf(rule: Rule, side: 'from' | 'to'): readonly Rule[] | undefined {
  const endpoints = rule[`${side}Endpoints`] as {matchLabels: Record<string, string>}[] | undefined
  const cidrs = rule[`${side}CIDR`] as string[] | undefined
  const entities = rule[`${side}Entities`] as string[] | undefined
  if (cidrs !== undefined) return cidrs.map((cidr) => ({ipBlock: {cidr}}))
  if (endpoints !== undefined)
    return endpoints.map(({matchLabels}) => {
      const {[namespaceKey]: home, ...labels} = matchLabels
      const other = home === undefined ? {} : {namespaceSelector: {matchLabels: {'kubernetes.io/metadata.name': home}}}
      return {...other, podSelector: Object.keys(labels).length === 0 ? {} : {matchLabels: labels}}
    })
  return entities?.length === 1 && entities[0] === 'world' ? world : undefined
}

function portsOf(rule: Rule): Rule {
  const [first] = (rule['toPorts'] as {ports: {port: string; protocol: string}[]}[] | undefined) ?? []
  if (first === undefined) return {}
  return {ports: first.ports.map(({port, protocol}) => ({port: Number(port), protocol}))}
}
