/**
 * What only the stock client knows: legacy auth providers (oidc and the like) and proxies. Imported when a kubeconfig
 * asks for it and never otherwise: its config module brings all generated API classes along.
 */
import type {Agent, OutgoingHttpHeaders} from 'node:http'
import {KubeConfig} from '@kubernetes/client-node/dist/config.js'
import type {ResolvedContext} from './kubeconfig.ts'
import type {RequestHeaders} from './transport.ts'

export interface LibraryCredentials {
  readonly agent: Agent | undefined
  headers(): Promise<RequestHeaders>
}

export async function libraryCredentials(
  {cluster, user}: ResolvedContext,
  proxyUrl: string | undefined,
): Promise<LibraryCredentials> {
  const config = new KubeConfig()
  config.loadFromClusterAndUser(
    {
      name: cluster.name,
      server: cluster.server,
      skipTLSVerify: cluster.insecure ?? cluster.server.startsWith('http:'),
      ...(cluster.caFile === undefined ? {} : {caFile: cluster.caFile}),
      ...(cluster.caData === undefined ? {} : {caData: cluster.caData}),
      ...(cluster.tlsServerName === undefined ? {} : {tlsServerName: cluster.tlsServerName}),
      ...(proxyUrl === undefined ? {} : {proxyUrl}),
    },
    {
      name: user.name,
      ...(user.certFile === undefined ? {} : {certFile: user.certFile}),
      ...(user.certData === undefined ? {} : {certData: user.certData}),
      ...(user.keyFile === undefined ? {} : {keyFile: user.keyFile}),
      ...(user.keyData === undefined ? {} : {keyData: user.keyData}),
      ...(user.authProvider === undefined ? {} : {authProvider: user.authProvider}),
    },
  )
  const options: {headers?: OutgoingHttpHeaders; agent?: unknown} = {}
  await config.applyToHTTPSOptions(options as Parameters<KubeConfig['applyToHTTPSOptions']>[0])
  return {
    agent: proxyUrl === undefined ? undefined : (options.agent as Agent),
    async headers() {
      const fresh: {headers: Record<string, string>} = {headers: {}}
      await config.applyToHTTPSOptions(fresh as Parameters<KubeConfig['applyToHTTPSOptions']>[0])
      return Object.fromEntries(Object.entries(fresh.headers).map(([name, value]) => [name.toLowerCase(), value]))
    },
  }
}
