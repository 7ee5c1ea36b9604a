/** The cluster's relay through a local port of its own, with what its Secrets say about TLS. */
import {X509Certificate} from 'node:crypto'
import type {KubeClient} from '../../k8s/client.ts'
import {objects} from '../../k8s/objects.ts'
import {type KubeObject, resources, type Secret, type Service} from '../../k8s/resources.ts'
import {CiliumError, hasCode} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {connectCluster} from '../kubernetes.ts'
import {HUBBLE_RELAY_SECRET} from './errors.ts'
import {forwardService} from './port-forward.ts'
import type {ServerOptions} from './server-options.ts'

const relayName = 'hubble-relay'
const tlsPort = 443
/** for the first label of a name such as *.hubble-relay.cilium.io */
const anyLabel = 'ui'

interface Workload extends KubeObject {
  readonly spec?: {readonly template?: {readonly spec?: {readonly volumes?: readonly Volume[]}}}
}

interface Volume {
  readonly projected?: {
    readonly sources?: readonly {
      readonly secret?: {readonly name?: string; readonly items?: readonly {readonly path: string}[]}
    }[]
  }
}

export interface Relay {
  readonly server: ServerOptions
  close(): Promise<void>
}

/**
 * What the user has said about TLS holds; what is missing comes from the Secrets of the relay, as far as the user may
 * read them.
 *
 * @param wishes its server is not looked at, but for a leading tls://
 * @throws HUBBLE_SERVICE_MISSING, HUBBLE_SERVICE_EMPTY, HUBBLE_RELAY_SECRET, K8S_PORT_TAKEN
 */
export async function reachRelay(cluster: ClusterOptions, localPort: number, wishes: ServerOptions): Promise<Relay> {
  const tls = await tlsOptions(cluster, {...wishes, tls: wishes.tls || wishes.server.startsWith('tls://')})
  const forward = await forwardService({cluster, service: relayName, localPort})
  return {
    server: {...wishes, ...tls, server: `localhost:${forward.localPort}`},
    close: () => forward.close(),
  }
}

async function tlsOptions(cluster: ClusterOptions, wishes: ServerOptions): Promise<Partial<ServerOptions>> {
  const complete =
    wishes.tlsCaFiles.length > 0 && wishes.tlsCertFile !== undefined && wishes.tlsServerName !== undefined
  if (complete) return {tls: wishes.tls}
  const client = await connectCluster(cluster)
  try {
    const service = await objects<Service>(client, resources.services).find({
      namespace: cluster.namespace,
      name: relayName,
    })
    // that of TLS, as the chart has it; a relay without is asked without unless the user knows better
    if (service?.spec?.ports?.[0]?.port !== tlsPort) return {tls: wishes.tls}
    return {tls: true, ...(await fromSecrets(client, cluster.namespace, wishes))}
  } finally {
    client.close()
  }
}

async function fromSecrets(
  client: KubeClient,
  namespace: string,
  wishes: ServerOptions,
): Promise<Partial<ServerOptions>> {
  const names = await secretNames(client, namespace)
  const read = async (name: string) => {
    const {data = {}} = await objects<Secret>(client, resources.secrets).get({namespace, name})
    return (key: string) => Buffer.from(data[key] ?? '', 'base64').toString('utf8')
  }
  const options: {-readonly [K in keyof ServerOptions]?: ServerOptions[K]} = {}
  const trusts = wishes.tlsCaFiles.length > 0 || wishes.tlsAllowInsecure
  try {
    const server = await read(names.server)
    if (!trusts) options.tlsAuthorities = server('ca.crt')
    if (wishes.tlsServerName === undefined) options.tlsServerName = nameIn(server('tls.crt'))
  } catch (thrown) {
    if (!trusts)
      throw new CiliumError(
        HUBBLE_RELAY_SECRET,
        {namespace, secret: names.server, detail: CiliumError.from(thrown).message},
        {cause: thrown},
      )
  }
  if (wishes.tlsCertFile !== undefined) return options
  try {
    const own = await read(names.client)
    options.tlsCertificate = {certificate: own('tls.crt'), key: own('tls.key')}
  } catch (thrown) {
    // only a relay that asks for certificates needs one, and says so
    if (!hasCode(thrown, 'K8S_NOT_FOUND') && !hasCode(thrown, 'K8S_FORBIDDEN')) throw thrown
  }
  return options
}

/** As the pods of the relay have them: users may bring Secrets of their own. */
async function secretNames(client: KubeClient, namespace: string): Promise<{server: string; client: string}> {
  const relay = await objects<Workload>(client, resources.deployments)
    .find({namespace, name: relayName})
    .catch((thrown: unknown) => {
      if (hasCode(thrown, 'K8S_FORBIDDEN')) return undefined
      throw thrown
    })
  const sources = (relay?.spec?.template?.spec?.volumes ?? []).flatMap(({projected}) => projected?.sources ?? [])
  const holding = (path: string, usual: string) =>
    sources.find(({secret}) => secret?.items?.some((item) => item.path === path))?.secret?.name ?? usual
  return {
    server: holding('server.crt', 'hubble-relay-server-certs'),
    client: holding('client.crt', 'hubble-relay-client-certs'),
  }
}

/** A name that this certificate is good for. */
function nameIn(certificate: string): string | undefined {
  const names = new X509Certificate(certificate).subjectAltName ?? ''
  return /DNS:([^,\s]+)/.exec(names)?.[1]?.replace(/^\*/, anyLabel)
}
