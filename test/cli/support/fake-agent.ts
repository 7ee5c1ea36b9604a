import {mkdtempSync, rmSync} from 'node:fs'
import {createServer, type IncomingMessage} from 'node:http'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {text} from 'node:stream/consumers'

export interface AgentCall {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** An answer: any value is sent as JSON with status 200; a raw one as it is. */
export type Answer = unknown | ((call: AgentCall) => unknown)

export interface RawAnswer {
  readonly raw: string
  readonly status: number
}

export interface FakeAgent extends AsyncDisposable {
  /** for -H */
  readonly host: string
  readonly calls: readonly AgentCall[]
}

/** Something that answers on a unix socket as an agent does. Keys are `METHOD /path`, such as `GET /v1/endpoint`. */
export async function fakeAgent(answers: Readonly<Record<string, Answer>>): Promise<FakeAgent> {
  const folder = mkdtempSync(join(tmpdir(), 'cilium-cli-test-'))
  const socket = join(folder, 'agent.sock')
  const calls: AgentCall[] = []
  const server = createServer(async (request, response) => {
    const call = {method: request.method!, path: request.url!, headers: request.headers, body: await text(request)}
    calls.push(call)
    const answer = answers[`${call.method} ${call.path}`]
    const value = typeof answer === 'function' ? (answer as (call: AgentCall) => unknown)(call) : answer
    if (value === undefined) response.writeHead(404).end()
    else if (isRaw(value)) response.writeHead(value.status).end(value.raw)
    else response.writeHead(200, {'content-type': 'application/json'}).end(JSON.stringify(value))
  })
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  return {
    host: `unix://${socket}`,
    calls,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, {recursive: true, force: true})
    },
  }
}

function isRaw(value: unknown): value is RawAnswer {
  return typeof value === 'object' && value !== null && 'raw' in value
}
