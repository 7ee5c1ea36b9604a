/** Every socket that our processes listen on; test/lab/rights.test.ts compares it with what a node says. */

export interface ListeningSocket {
  /** whose network it is in */
  readonly in: 'node' | 'hubble-relay' | 'hubble-ui'
  /** address and port, or path */
  readonly where: string
  readonly protocol: 'tcp' | 'udp' | 'unix'
  /** of a port: 0 for a path, or ports that Services choose */
  readonly port: number
  readonly use: string
  readonly who: string
  readonly proof: string
}

const socketFile = (name: string, use: string, mode: string): ListeningSocket => ({
  in: 'node',
  where: `/var/run/cilium/${name}`,
  protocol: 'unix',
  port: 0,
  use,
  who: 'root on the node, and in the agent pod',
  proof: `permissions of the file (${mode})`,
})

export const sockets: readonly ListeningSocket[] = [
  {
    in: 'node',
    where: '127.0.0.1:9879, [::1]:9879',
    protocol: 'tcp',
    port: 9879,
    use: 'probes of kubelet: is the agent healthy',
    who: 'processes of the node',
    proof: 'nothing: it tells one word and takes none',
  },
  {
    in: 'node',
    where: '*:4240',
    protocol: 'tcp',
    port: 4240,
    use: 'health probes between nodes',
    who: 'whoever reaches the node',
    proof: 'nothing: it answers one request with nothing in it',
  },
  {
    in: 'node',
    where: '*:4244',
    protocol: 'tcp',
    port: 4244,
    use: 'flows of this node, for hubble-relay',
    who: "whoever reaches the node; with TLS, holders of a certificate of Hubble's authority",
    proof: 'client certificate, where hubble.tls.enabled',
  },
  {
    in: 'node',
    where: '*:8472',
    protocol: 'udp',
    port: 8472,
    use: 'the overlay (VXLAN), by the kernel',
    who: 'nodes of the cluster; pods cannot',
    proof: "source address; identities are believed of the cluster's nodes alone",
  },
  {
    in: 'node',
    where: '127.0.0.1:9234',
    protocol: 'tcp',
    port: 9234,
    use: 'probes of kubelet: is the operator healthy; [::1] in a cluster of IPv6 alone',
    who: 'processes of the node',
    proof: 'nothing: it tells one word and takes none',
  },
  {
    in: 'node',
    where: '*:9962',
    protocol: 'tcp',
    port: 9962,
    use: 'metrics of the agent, where prometheus.enabled',
    who: 'whoever reaches the node',
    proof: 'nothing: numbers and names of metrics only',
  },
  {
    in: 'node',
    where: '*:9963',
    protocol: 'tcp',
    port: 9963,
    use: 'metrics of the operator, where operator.prometheus.enabled',
    who: 'whoever reaches the node',
    proof: 'nothing: numbers and names of metrics only',
  },
  {
    in: 'node',
    where: '*:<healthCheckNodePort>',
    protocol: 'tcp',
    port: 0,
    use: 'health of a Service with externalTrafficPolicy: Local, for load balancers',
    who: 'whoever reaches the node',
    proof: 'nothing: it tells how many pods of the Service are here',
  },
  {
    in: 'node',
    where: '*:9965',
    protocol: 'tcp',
    port: 9965,
    use: 'metrics of flows, where hubble.metrics.enabled',
    who: 'whoever reaches the node',
    proof: 'nothing: numbers, and the names that hubble.metrics.enabled asks for',
  },
  {
    in: 'node',
    where: 'kubeProxyReplacementHealthzBindAddr',
    protocol: 'tcp',
    port: 10256,
    use: 'health of the service proxy, for load balancers; off unless the value is set',
    who: 'whoever reaches that address',
    proof: 'nothing: it tells whether and since when services are served',
  },
  {
    in: 'hubble-relay',
    where: '*:4245',
    protocol: 'tcp',
    port: 4245,
    use: 'flows of the cluster, for hubble and the page',
    who: 'pods that policy lets; with TLS, holders of a certificate',
    proof: 'client certificate, where hubble.relay.tls.server.mtls is true',
  },
  {
    in: 'hubble-relay',
    where: '*:4222',
    protocol: 'tcp',
    port: 4222,
    use: 'probes of kubelet: is the relay healthy',
    who: 'pods that policy lets, and the node',
    proof: 'nothing: it tells one word and takes none',
  },
  {
    in: 'hubble-ui',
    where: '*:8081',
    protocol: 'tcp',
    port: 8081,
    use: 'the page of Hubble',
    who: 'pods that policy lets: kubectl port-forward, or an ingress that is put before it',
    proof: 'nothing of its own',
  },
  socketFile('cilium.sock', 'the REST API of the agent: cilium-dbg', '0660'),
  socketFile('cni.sock', 'connecting and disconnecting pods: the CNI plugin', '0600'),
  socketFile('health.sock', 'the health API: cilium-health', '0660'),
  socketFile('hubble.sock', 'flows of this node: hubble', '0660'),
  socketFile('monitor1_2.sock', 'events as they come: cilium-dbg monitor', '0660'),
]
