/** Names in the certificates of Hubble, and the Secrets that hold them: what nodes, relay and interface agree on. */

/** `cluster/node`; the node alone in the cluster `default`. */
export function qualifiedNode(cluster: string, node: string): string {
  return cluster === '' || cluster === 'default' ? node : `${cluster}/${node}`
}

/** The name in the certificate of a node's server. */
export function serverName(cluster: string, node: string): string {
  return `${plain(node)}.${plain(cluster === '' ? 'default' : cluster)}.hubble-grpc.cilium.io`
}

/** The name that the peer service's certificate has for those who do not know which node answers. */
export function peerServiceName(cluster: string): string {
  return serverName(cluster, 'hubble-peer')
}

const plain = (text: string) => text.replaceAll('.', '-')

export const authoritySecret = 'cilium-ca'

export interface WantedCertificate {
  readonly secret: string
  readonly name: string
  readonly usages: readonly ('client' | 'server')[]
}

/** The certificates of a cluster's Hubble. A name is that of the subject and, alone, the one it is good for. */
export function hubbleCertificates(cluster: string): readonly WantedCertificate[] {
  return [
    {secret: 'hubble-server-certs', name: serverName(cluster, '*'), usages: ['server']},
    {secret: 'hubble-relay-client-certs', name: '*.hubble-relay.cilium.io', usages: ['client']},
    {secret: 'hubble-relay-server-certs', name: '*.hubble-relay.cilium.io', usages: ['server']},
    {secret: 'hubble-ui-client-certs', name: '*.hubble-ui.cilium.io', usages: ['client']},
    {
      secret: 'hubble-metrics-server-certs',
      name: `${plain(cluster === '' ? 'default' : cluster)}.hubble-metrics.cilium.io`,
      usages: ['server'],
    },
  ]
}
