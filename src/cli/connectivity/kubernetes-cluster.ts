/** The connectivity test's door to a real cluster. */
import {Discovery} from '../../k8s/discovery.ts'
import {k8sErrors} from '../../k8s/errors.ts'
import {execOutput} from '../../k8s/exec.ts'
import {objects} from '../../k8s/objects.ts'
import {apiVersionOf, type KubeObject, type NewObject, type Resource, resources} from '../../k8s/resources.ts'
import {CiliumError, hasCode} from '../../runtime/errors.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {connectCluster} from '../kubernetes.ts'
import {TEST_EXEC_TIMED_OUT} from './errors.ts'
import type {ObjectRef, TestCluster} from './test-cluster.ts'

const fieldManager = 'cilium-cli'

/** @throws errors of the Kubernetes client */
export async function connectTestCluster(
  where: ClusterOptions,
  signal: AbortSignal,
): Promise<TestCluster & AsyncDisposable> {
  const client = await connectCluster(where)
  const discovery = new Discovery(client)
  const known = new Map<string, Resource>(
    Object.values(resources).map((resource) => [`${apiVersionOf(resource)}/${resource.kind}`, resource]),
  )
  const of = async ({apiVersion, kind}: Pick<ObjectRef, 'apiVersion' | 'kind'>) =>
    objects<KubeObject>(client, known.get(`${apiVersion}/${kind}`) ?? (await discovery.find(apiVersion, kind)))

  return {
    server: client.server.origin,
    async apply(object) {
      const kind = await of(object)
      await kind.apply(object as NewObject<KubeObject>, {fieldManager, force: true, signal})
    },
    async get<T>(ref: ObjectRef) {
      const {name, namespace} = ref
      return (await (await of(ref)).find({name, namespace}, {signal})) as T | undefined
    },
    async list<T>(kind: Pick<ObjectRef, 'apiVersion' | 'kind'>, options: {namespace?: string; selector?: string} = {}) {
      const {namespace, selector} = options
      const place = {
        ...(namespace === undefined ? {} : {namespace}),
        ...(selector === undefined ? {} : {labelSelector: selector}),
      }
      try {
        return (await (await of(kind)).listAll({...place, signal})) as readonly unknown[] as readonly T[]
      } catch (thrown) {
        if (hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) return []
        throw thrown
      }
    },
    async delete(ref) {
      const {name, namespace} = ref
      await (await of(ref)).delete({name, namespace}, {signal, propagation: 'Background'})
    },
    async exec({namespace, name, container}, command, options) {
      const timeout = AbortSignal.timeout(options.timeoutMs)
      try {
        const ends = AbortSignal.any([signal, options.signal, timeout])
        return await execOutput(client, {namespace, pod: name, container, command, signal: ends})
      } catch (thrown) {
        if (!timeout.aborted || signal.aborted || options.signal.aborted) throw thrown
        const fields = {command: command[0]!, pod: `${namespace}/${name}`, timeoutMs: options.timeoutMs}
        throw new CiliumError(TEST_EXEC_TIMED_OUT, fields, {cause: thrown})
      }
    },
    async [Symbol.asyncDispose]() {
      client.close()
    },
  }
}
