/** The view of `cilium status` on a real cluster. */
import {k8sErrors} from '../../k8s/errors.ts'
import {execOutput} from '../../k8s/exec.ts'
import {podLogText} from '../../k8s/logs.ts'
import {objects} from '../../k8s/objects.ts'
import {type KubeObject, type Pod as KubePod, type Resource, resources} from '../../k8s/resources.ts'
import {hasCode} from '../../runtime/errors.ts'
import {decodeRelease, type ReleaseSecret} from '../chart/release.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {connectCluster} from '../kubernetes.ts'
import type {ClusterView, Pod, Workload} from './cluster-view.ts'

const configMapName = 'cilium-config'
/** agents answer from memory; one that takes longer hangs */
const execMs = 45_000

/** @throws errors of the Kubernetes client */
export async function connectView(where: ClusterOptions, signal: AbortSignal): Promise<ClusterView & Disposable> {
  const client = await connectCluster(where)
  const {namespace} = where
  const of = <T extends KubeObject>(resource: Resource) => objects<T>(client, resource)
  const call = {signal}

  return {
    daemonSet: (name) => of<KubeObject & Workload>(resources.daemonSets).find({namespace, name}, call),
    deployment: (name) => of<KubeObject & Workload>(resources.deployments).find({namespace, name}, call),
    pods: (labelSelector) =>
      of<KubeObject & Pod>(resources.pods).listAll({namespace, labelSelector, ...call}) as Promise<readonly Pod[]>,
    async countPods() {
      let count = 0
      for await (const {spec, status} of of<KubePod>(resources.pods).list(call)) {
        if (spec?.hostNetwork !== true && (status?.phase === 'Running' || status?.phase === 'Pending')) count++
      }
      return count
    },
    async countEndpoints() {
      let count = 0
      try {
        for await (const _ of of(resources.ciliumEndpoints).list(call)) count++
      } catch (thrown) {
        if (hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) return undefined
        throw thrown
      }
      return count
    },
    async configAnnotations() {
      const config = await of(resources.configMaps).find({namespace, name: configMapName}, call)
      return config?.metadata.annotations
    },
    async chartVersion() {
      const labelSelector = `owner=helm,name=${where.helmReleaseName}`
      const secrets = await of<KubeObject & ReleaseSecret>(resources.secrets).listAll({
        namespace,
        labelSelector,
        ...call,
      })
      const revision = ({metadata}: KubeObject) => Number(metadata.labels?.['version'] ?? 0)
      const newest = secrets.sort((a, b) => revision(b) - revision(a))[0]
      return newest === undefined ? undefined : (await decodeRelease(newest)).chart.metadata.version
    },
    exec: (pod, container, command) =>
      execOutput(client, {
        ...{namespace, pod, container, command},
        signal: AbortSignal.any([signal, AbortSignal.timeout(execMs)]),
      }),
    previousLog: (pod, container, options) =>
      podLogText(client, {namespace, pod, container, previous: true, ...options, signal}),
    [Symbol.dispose]: () => client.close(),
  }
}
