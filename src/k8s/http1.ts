/** HTTP/1.1 for servers and proxies that speak nothing newer; each watch holds a connection of its own. */
import http from 'node:http'
import https from 'node:https'
import type {HttpRequest, HttpResponse, TlsIdentity, Transport} from './transport.ts'

export function http1Transport(server: URL, identity: TlsIdentity): Transport {
  const secure = server.protocol === 'https:'
  const options = {keepAlive: true, keepAliveMsecs: 30_000, maxFreeSockets: 4}
  const agent =
    identity.agent ??
    (secure
      ? new https.Agent({
          ...options,
          ...(identity.ca === undefined ? {} : {ca: identity.ca}),
          ...(identity.cert === undefined ? {} : {cert: identity.cert}),
          ...(identity.key === undefined ? {} : {key: identity.key}),
          ...(identity.servername === undefined ? {} : {servername: identity.servername}),
          rejectUnauthorized: identity.insecure !== true,
        })
      : new http.Agent(options))
  const begin = secure ? https.request : http.request
  const prefix = server.pathname.replace(/\/$/, '')

  const attempt = (request: HttpRequest) =>
    new Promise<HttpResponse>((resolve, reject) => {
      const outgoing = begin({
        method: request.method,
        host: server.hostname.replace(/^\[|\]$/g, ''),
        port: server.port || (secure ? 443 : 80),
        path: prefix + request.path,
        headers:
          request.body === undefined ? request.headers : {...request.headers, 'content-length': size(request.body)},
        agent,
        ...(request.signal === undefined ? {} : {signal: request.signal}),
      })
      outgoing.on('response', (response) => {
        resolve({status: response.statusCode ?? 0, headers: flatten(response.headers), body: response})
      })
      outgoing.on('error', (error) => reject(Object.assign(error, {reusedSocket: outgoing.reusedSocket})))
      outgoing.end(request.body)
    })

  return {
    async request(request) {
      try {
        return await attempt(request)
      } catch (thrown) {
        // a kept-alive connection that the server closed just now: most likely nothing of the request was handled
        const {code, reusedSocket} = thrown as NodeJS.ErrnoException & {reusedSocket?: boolean}
        const repeatable = request.method !== 'POST' && request.signal?.aborted !== true
        if (reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE') && repeatable) return attempt(request)
        throw thrown
      }
    },
    retire() {
      agent.maxFreeSockets = 0
      for (const sockets of Object.values(agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
    },
    close: () => agent.destroy(),
  }
}

function size(body: string | Uint8Array): number {
  return typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
}

function flatten(headers: http.IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return flat
}
