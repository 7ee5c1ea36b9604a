/** Identities as CiliumIdentity objects: the API server lets one of several creators of a name win. */
import type {KubeClient} from '../../k8s/client.ts'
import {k8sErrors} from '../../k8s/errors.ts'
import {objects} from '../../k8s/objects.ts'
import {type CiliumIdentity, resources} from '../../k8s/resources.ts'
import {heartbeatAnnotation} from '../../model/identity.ts'
import {hasCode} from '../../runtime/errors.ts'
import {identityObjectLabels} from '../identity/pod-identity.ts'
import {identityRow} from '../reflect/cilium-identity.ts'
import type {SharedIdentities} from './endpoint-identity.ts'

export function sharedIdentities(client: KubeClient): SharedIdentities {
  const identities = objects<CiliumIdentity>(client, resources.ciliumIdentities)
  return {
    async create({id, labels}) {
      try {
        await identities.create({
          metadata: {name: String(id), labels: identityObjectLabels(labels)},
          'security-labels': labels.toSecurityLabels(),
        })
        return true
      } catch (thrown) {
        if (hasCode(thrown, k8sErrors.K8S_ALREADY_EXISTS)) return false
        throw thrown
      }
    },
    async find(id) {
      const found = await identities.find({name: String(id)})
      return found === undefined ? undefined : identityRow(found)
    },
    async unmark(id) {
      try {
        // the operator's removal names the version it has read: from here on it fails
        await identities.mergePatch({name: String(id)}, {metadata: {annotations: {[heartbeatAnnotation]: null}}})
      } catch (thrown) {
        // gone already: the watch says so, and the identity is made again
        if (!hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) throw thrown
      }
    },
  }
}
