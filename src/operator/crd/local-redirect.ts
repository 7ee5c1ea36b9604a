import {ageColumn, type Kind} from './kind.ts'
import {boolean, describe, exactlyOne, immutable, list, object, oneWordOf, required, string} from './schema.ts'
import {ipAddress, labelSelector, serviceName} from './shared.ts'

const port = object({
  port: required(
    string({pattern: '^([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$'}),
  ),
  protocol: required(oneWordOf('TCP', 'UDP')),
  name: describe('needed when there are several ports', string({pattern: `^${serviceName}$`})),
})

export const ciliumLocalRedirectPolicy: Kind = {
  kind: 'CiliumLocalRedirectPolicy',
  singular: 'ciliumlocalredirectpolicy',
  plural: 'ciliumlocalredirectpolicies',
  shortNames: ['clrp'],
  scope: 'Namespaced',
  categories: ['cilium', 'ciliumpolicy'],
  versions: [{name: 'v2'}],
  hasStatus: false,
  columns: [ageColumn],
  description: 'Sends traffic for an address or a service to a pod of the same namespace on the same node.',
  schema: object({
    spec: object({
      redirectFrontend: required(
        object(
          {
            addressMatcher: object({ip: required(ipAddress), toPorts: required(list(port))}),
            serviceMatcher: object({
              serviceName: required(string()),
              namespace: required(describe('the namespace of the policy itself', string())),
              toPorts: list(port),
            }),
          },
          {...exactlyOne('addressMatcher', 'serviceMatcher'), ...immutable},
        ),
      ),
      redirectBackend: required(
        object({localEndpointSelector: required(labelSelector), toPorts: required(list(port))}, immutable),
      ),
      skipRedirectFromBackend: boolean({default: false, ...immutable}),
      description: string(),
    }),
    status: object({ok: boolean()}),
  }),
}
