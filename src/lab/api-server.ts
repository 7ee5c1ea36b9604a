/** The few calls that the lab itself makes to its API server, over TLS with the lab's own authority. */
import {request} from 'node:https'
import {parse} from 'yaml'
import {fail} from '../runtime/errors.ts'
import {readAdmin} from './credentials.ts'
import {LAB_API_REFUSED} from './errors.ts'
import {labPaths} from './paths.ts'
import {apiAddress, type LabPlan} from './plan.ts'

export interface ApiNode {
  readonly name: string
  readonly ready: boolean
  /** why it is not ready, in kubelet's words */
  readonly message: string
  readonly podCidrs: readonly string[]
}

/** True when the API server says that it can serve. False when nobody answers. */
export async function readyz(plan: LabPlan): Promise<boolean> {
  return (await call(plan, 'GET', '/readyz', {timeoutMs: 3000}))?.status === 200
}

/** Nodes as the cluster sees them, by name. @returns undefined when the API server does not answer */
export async function readNodes(plan: LabPlan): Promise<ReadonlyMap<string, ApiNode> | undefined> {
  const answer = await call(plan, 'GET', '/api/v1/nodes')
  if (answer === undefined) return undefined
  const list = accepted(plan, 'GET /api/v1/nodes', answer) as {items: RawNode[]}
  return new Map(list.items.map((node) => [node.metadata.name, toNode(node)]))
}

/** True when the API server has this object. @param path of the object itself */
export async function objectExists(plan: LabPlan, path: string): Promise<boolean> {
  const answer = await call(plan, 'GET', path)
  if (answer?.status === 404) return false
  accepted(plan, `GET ${path}`, answer)
  return true
}

/** Makes an object equal to this by server-side apply. @param path of the object itself */
export async function applyObject(plan: LabPlan, path: string, object: unknown): Promise<void> {
  const where = `${path}?fieldManager=cilium-lab&force=true`
  const answer = await call(plan, 'PATCH', where, {
    body: JSON.stringify(object),
    contentType: 'application/apply-patch+yaml',
  })
  accepted(plan, `PATCH ${path}`, answer)
}

/** Deletes an object; one that is not there is deleted already. */
export async function deleteObject(plan: LabPlan, path: string): Promise<void> {
  const answer = await call(plan, 'DELETE', path)
  if (answer?.status !== 404) accepted(plan, `DELETE ${path}`, answer)
}

interface RawNode {
  readonly metadata: {readonly name: string}
  readonly spec: {readonly podCIDRs?: readonly string[]}
  readonly status: {readonly conditions?: readonly {type: string; status: string; message?: string}[]}
}

function toNode(node: RawNode): ApiNode {
  const ready = node.status.conditions?.find((condition) => condition.type === 'Ready')
  return {
    name: node.metadata.name,
    ready: ready?.status === 'True',
    message: ready?.message ?? 'no Ready condition yet',
    podCidrs: node.spec.podCIDRs ?? [],
  }
}

interface Answer {
  readonly status: number
  readonly body: string
}

function accepted(plan: LabPlan, what: string, answer: Answer | undefined): unknown {
  const detail = answer === undefined ? 'no connection' : answer.body.slice(0, 300)
  if (answer === undefined || answer.status >= 300) {
    const log = labPaths(plan.name).log('control-plane-kube-apiserver')
    fail(LAB_API_REFUSED, {request: what, status: answer?.status ?? 'nothing', detail, log})
  }
  return JSON.parse(answer.body)
}

/** A busy machine may keep an API server waiting for long; nobody at all is told by the connection. */
const answerTimeoutMs = 30_000

const unreachable: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
])

/** @returns undefined when there is no connection: for a lab that is starting or stopped, an answer like any other */
function call(
  plan: LabPlan,
  method: string,
  path: string,
  {body, contentType, timeoutMs = answerTimeoutMs}: {body?: string; contentType?: string; timeoutMs?: number} = {},
): Promise<Answer | undefined> {
  const {ca, kubeconfig} = readAdmin(plan)
  const {user} = (parse(kubeconfig) as {users: [{user: Record<string, string>}]}).users[0]
  const decode = (field: string) => Buffer.from(user[field]!, 'base64')
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: apiAddress(plan),
        port: 6443,
        method,
        path,
        ca,
        cert: decode('client-certificate-data'),
        key: decode('client-key-data'),
        agent: false,
        timeout: timeoutMs,
        headers: body === undefined ? {} : {'content-type': contentType, 'content-length': Buffer.byteLength(body)},
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
        })
        response.on('end', () => resolve({status: response.statusCode ?? 0, body: text}))
        response.on('error', reject)
      },
    )
    sent.on('timeout', () => sent.destroy())
    sent.on('error', (cause: NodeJS.ErrnoException) => {
      if (unreachable.has(cause.code)) resolve(undefined)
      else reject(cause)
    })
    sent.end(body)
  })
}
