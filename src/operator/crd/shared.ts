/** Schemas that several kinds are made of. */
import {
  describe,
  int32,
  int64,
  list,
  listByKey,
  map,
  object,
  oneWordOf,
  required,
  type Schema,
  string,
} from './schema.ts'

const labelValue = string({maxLength: 63, pattern: '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$'})

/** metav1.LabelSelector. `{}` selects everything. */
export const labelSelector: Schema = object(
  {
    matchLabels: map(labelValue),
    matchExpressions: list(
      object({
        key: required(string()),
        operator: required(oneWordOf('In', 'NotIn', 'Exists', 'DoesNotExist')),
        values: list(string(), {'x-kubernetes-list-type': 'atomic'}),
      }),
      {'x-kubernetes-list-type': 'atomic'},
    ),
  },
  {'x-kubernetes-map-type': 'atomic'},
)

/** A prefix of either family; the API server itself knows this format. */
export const cidr: Schema = string({format: 'cidr'})

export const dateTime: Schema = string({format: 'date-time'})

const ipv4Octet = '(25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)'
const ipv4 = `(${ipv4Octet}\\.){3}${ipv4Octet}`
const ipv6 = [
  '([0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}',
  '([0-9a-fA-F]{1,4}:){1,7}:',
  '([0-9a-fA-F]{1,4}:){1,6}:[0-9a-fA-F]{1,4}',
  '([0-9a-fA-F]{1,4}:){1,5}(:[0-9a-fA-F]{1,4}){1,2}',
  '([0-9a-fA-F]{1,4}:){1,4}(:[0-9a-fA-F]{1,4}){1,3}',
  '([0-9a-fA-F]{1,4}:){1,3}(:[0-9a-fA-F]{1,4}){1,4}',
  '([0-9a-fA-F]{1,4}:){1,2}(:[0-9a-fA-F]{1,4}){1,5}',
  '[0-9a-fA-F]{1,4}:((:[0-9a-fA-F]{1,4}){1,6})',
  ':((:[0-9a-fA-F]{1,4}){1,7}|:)',
].join('|')

/** An address of either family. */
export const ipAddress: Schema = string({pattern: `^(${ipv4}|${ipv6})$`})

/** Regular expression of 0 to 65535. */
export const portNumber = '6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4}'

/** Regular expression of an IANA service name (RFC 6335): letters, digits, single hyphens, at least one letter. */
export const serviceName = '([a-zA-Z0-9]-?)*[a-zA-Z](-?[a-zA-Z0-9])*'

/** metav1.Condition, as a list with one entry per type. */
export const conditions: Schema = listByKey(
  'type',
  object({
    type: required(string({maxLength: 316})),
    status: required(oneWordOf('True', 'False', 'Unknown')),
    observedGeneration: int64({minimum: 0}),
    lastTransitionTime: required(dateTime),
    reason: required(string({maxLength: 1024})),
    message: required(string({maxLength: 32768})),
  }),
)

/** A namespaced object that is named from a policy. */
export const secretReference: Schema = object({namespace: string(), name: required(string())})

export const namedPort: Schema = object({
  name: string(),
  port: integerPort(),
  protocol: oneWordOf('TCP', 'UDP', 'SCTP', 'ICMP', 'ICMPV6', 'ANY'),
})

/** Addresses of an endpoint and the address of its node. */
export const endpointNetworking: Schema = object({
  addressing: required(list(object({ipv4: string(), ipv6: string()}))),
  node: describe('address of the node that the endpoint runs on', string()),
})

function integerPort(): Schema {
  return int32({minimum: 0, maximum: 65535})
}
