/** What kubelet asks (port 9879) and what Prometheus asks (port 9962). */
import {expositionContentType, type MetricRegistry} from '../../runtime/metrics.ts'
import type {ApiRoutes} from './http.ts'
import type {ApiSources} from './sources.ts'
import {statusModel} from './status-model.ts'

/** 200 when the agent is well, 503 when not; never a body. The header decides whether the API server must answer. */
export function healthRoutes(sources: ApiSources): ApiRoutes {
  return {
    'GET /healthz': ({headers}) => {
      const asked = headers['require-k8s-connectivity']
      const requireKubernetes =
        asked === undefined ? sources.config()['agent-health-require-k8s-connectivity'] : asked !== 'false'
      const {cilium} = statusModel(sources, {brief: true, requireKubernetes})
      return {status: cilium?.state === 'Ok' || cilium?.state === 'Disabled' ? 200 : 503}
    },
  }
}

export function metricsRoutes(registry: MetricRegistry): ApiRoutes {
  return {
    'GET /metrics': async () => ({status: 200, text: await registry.expose(), type: expositionContentType}),
  }
}
