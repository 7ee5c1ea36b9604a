import {ciliumCidrGroup, ciliumL2AnnouncementPolicy, ciliumLoadBalancerIpPool} from './address-pools.ts'
import {ciliumEndpoint, ciliumIdentity} from './endpoint.ts'
import type {Kind} from './kind.ts'
import {ciliumLocalRedirectPolicy} from './local-redirect.ts'
import {ciliumNode, ciliumNodeConfig} from './node.ts'
import {ciliumClusterwideNetworkPolicy, ciliumNetworkPolicy} from './policy.ts'

/** Every kind that clusters of ours have, sorted by plural. */
export const allKinds: readonly Kind[] = [
  ciliumCidrGroup,
  ciliumClusterwideNetworkPolicy,
  ciliumEndpoint,
  ciliumIdentity,
  ciliumL2AnnouncementPolicy,
  ciliumLoadBalancerIpPool,
  ciliumLocalRedirectPolicy,
  ciliumNetworkPolicy,
  ciliumNode,
  ciliumNodeConfig,
]
