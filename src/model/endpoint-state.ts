/** States an endpoint goes through, as the API and CiliumEndpoint name them. */

export const endpointStates = {
  'waiting-for-identity': 'created, no identity yet',
  'not-ready': 'waiting for data',
  'waiting-to-regenerate': 'queued for programming',
  regenerating: 'being programmed',
  restoring: 'being restored after a restart',
  ready: 'enforced',
  disconnecting: 'being taken down',
  disconnected: 'gone',
  invalid: 'failed',
} as const
export type EndpointState = keyof typeof endpointStates

/** How far policy is enforced at an endpoint; the audit forms only report. */
export const policyEnforcements = [
  'none',
  'ingress',
  'egress',
  'both',
  'audit-ingress',
  'audit-egress',
  'audit-both',
] as const
