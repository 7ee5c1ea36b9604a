/** Kinds that hand out or group addresses. */
import {ageColumn, type Kind} from './kind.ts'
import {boolean, describe, list, object, oneWordOf, required, rules, string} from './schema.ts'
import {cidr, conditions, ipAddress, labelSelector} from './shared.ts'

export const ciliumCidrGroup: Kind = {
  kind: 'CiliumCIDRGroup',
  singular: 'ciliumcidrgroup',
  plural: 'ciliumcidrgroups',
  shortNames: ['ccg'],
  scope: 'Cluster',
  categories: ['cilium'],
  versions: [{name: 'v2'}, {name: 'v2alpha1', deprecated: true}],
  hasStatus: false,
  columns: [],
  description: 'Prefixes outside the cluster that policies refer to by name or by label.',
  schema: object({spec: required(object({externalCIDRs: required(list(cidr, {minItems: 0}))}))}),
}

export const ciliumLoadBalancerIpPool: Kind = {
  kind: 'CiliumLoadBalancerIPPool',
  singular: 'ciliumloadbalancerippool',
  plural: 'ciliumloadbalancerippools',
  shortNames: ['ippools', 'ippool', 'lbippool', 'lbippools'],
  scope: 'Cluster',
  categories: ['cilium'],
  versions: [{name: 'v2'}, {name: 'v2alpha1', deprecated: true}],
  hasStatus: true,
  columns: [
    {name: 'Disabled', type: 'boolean', jsonPath: '.spec.disabled'},
    {
      name: 'Conflicting',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="cilium.io/PoolConflict")].status',
    },
    {
      name: 'IPs Available',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="cilium.io/IPsAvailable")].message',
    },
    ageColumn,
  ],
  description: 'Addresses for services of type LoadBalancer.',
  schema: object({
    spec: required(
      object({
        serviceSelector: describe('services that may use the pool; all when absent', labelSelector),
        allowFirstLastIPs: describe(
          'whether the first and the last address of a block are given out',
          oneWordOf('Yes', 'No'),
        ),
        blocks: list(
          object(
            {cidr, start: ipAddress, stop: ipAddress},
            rules([
              'has(self.cidr) ? !has(self.start) && !has(self.stop) : has(self.start)',
              'a block is either cidr, or start with an optional stop',
            ]),
          ),
        ),
        disabled: describe('no new addresses are given out', boolean({default: false})),
      }),
    ),
    status: object({conditions}),
  }),
}

export const ciliumL2AnnouncementPolicy: Kind = {
  kind: 'CiliumL2AnnouncementPolicy',
  singular: 'ciliuml2announcementpolicy',
  plural: 'ciliuml2announcementpolicies',
  shortNames: ['l2announcement'],
  scope: 'Cluster',
  categories: ['cilium'],
  versions: [{name: 'v2alpha1'}],
  hasStatus: true,
  columns: [ageColumn],
  description: 'Which nodes answer ARP and neighbour discovery for the addresses of services.',
  schema: object({
    spec: object({
      nodeSelector: describe('nodes that may announce; all when absent', labelSelector),
      serviceSelector: describe('services that are announced; all when absent', labelSelector),
      loadBalancerIPs: boolean(),
      externalIPs: boolean(),
      interfaces: describe('regular expressions of device names; all devices when empty', list(string())),
    }),
    status: object({conditions}),
  }),
}
