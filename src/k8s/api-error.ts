/** What the API server's refusals become. */
import {CiliumError} from '../runtime/errors.ts'
import {k8sErrors} from './errors.ts'

/** The Status object that Kubernetes answers errors with; nothing in it can be relied upon. */
export interface StatusObject {
  readonly kind?: string
  readonly message?: string
  readonly reason?: string
  readonly code?: number
  readonly details?: {
    readonly name?: string
    readonly kind?: string
    readonly group?: string
    readonly retryAfterSeconds?: number
    readonly causes?: readonly {readonly field?: string; readonly message?: string; readonly reason?: string}[]
  }
}

/** A field that the API server did not accept. */
export interface FieldProblem {
  readonly path: string
  readonly problem: string
}

/** A refusal of the API server: a CiliumError that also carries the HTTP status and the server's own reason. */
export class ApiError extends CiliumError {
  readonly httpStatus: number
  readonly reason: string
  readonly retryAfterMs: number | undefined
  readonly problems: readonly FieldProblem[]

  constructor(code: string, request: string, httpStatus: number, status: StatusObject, retryAfterMs?: number) {
    super(code, {request, detail: detailOf(status), status: httpStatus})
    this.httpStatus = httpStatus
    this.reason = status.reason ?? ''
    this.retryAfterMs = retryAfterMs
    this.problems = (status.details?.causes ?? []).map(({field = '', message = ''}) => ({
      path: field,
      problem: message,
    }))
  }
}

/**
 * Makes the error of an HTTP answer that is none of the 2xx.
 *
 * @param request what was asked, as `get pods kube-system/x`
 */
export function apiError(
  request: string,
  httpStatus: number,
  headers: Readonly<Record<string, string>>,
  body: string,
): ApiError {
  const status = readStatus(body)
  return new ApiError(codeOf(httpStatus, status.reason), request, httpStatus, status, retryAfterMs(headers, status))
}

/** The error of a Status object that came inside a watch. */
export function statusError(request: string, status: StatusObject): ApiError {
  const httpStatus = status.code ?? 500
  return new ApiError(codeOf(httpStatus, status.reason), request, httpStatus, status, retryAfterMs({}, status))
}

function codeOf(httpStatus: number, reason: string | undefined): string {
  switch (httpStatus) {
    case 400:
    case 405:
    case 406:
    case 415:
      return k8sErrors.K8S_BAD_REQUEST
    case 401:
      return k8sErrors.K8S_UNAUTHORIZED
    case 403:
      return k8sErrors.K8S_FORBIDDEN
    case 404:
      return k8sErrors.K8S_NOT_FOUND
    case 409:
      return reason === 'AlreadyExists' ? k8sErrors.K8S_ALREADY_EXISTS : k8sErrors.K8S_CONFLICT
    case 410:
      return k8sErrors.K8S_EXPIRED
    case 422:
      return k8sErrors.K8S_INVALID
    case 429:
      return k8sErrors.K8S_THROTTLED
    default:
      return k8sErrors.K8S_SERVER_ERROR
  }
}

function readStatus(body: string): StatusObject {
  try {
    const parsed: unknown = JSON.parse(body)
    if (typeof parsed === 'object' && parsed !== null) return parsed as StatusObject
  } catch {
    // not JSON: a proxy's page, or plain text; its beginning is the best detail there is
  }
  return {message: body.slice(0, 200).trim()}
}

function detailOf(status: StatusObject): string {
  return (status.message || status.reason || 'no reason given').slice(0, 2000)
}

function retryAfterMs(headers: Readonly<Record<string, string>>, status: StatusObject): number | undefined {
  const seconds = Number(headers['retry-after'] ?? status.details?.retryAfterSeconds)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}
