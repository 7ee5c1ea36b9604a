/** CoreDNS for a lab: the objects, and their way into the cluster. */
import {applyObject, objectExists} from './api-server.ts'
import {corednsImage} from './images.ts'
import {labPaths} from './paths.ts'
import {apiAddress, type LabPlan, serviceAddresses} from './plan.ts'
import {waitFor} from './wait.ts'

export interface ObjectAt {
  /** URL path of the object */
  readonly path: string
  readonly object: object
}

const namespace = 'kube-system'
const labels = {'k8s-app': 'kube-dns'}

/** CoreDNS as distributions run it. */
export function corednsObjects(plan: LabPlan): readonly ObjectAt[] {
  const core = `/api/v1/namespaces/${namespace}`
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const role = 'system:coredns'
  return [
    {
      path: `${core}/serviceaccounts/coredns`,
      object: {apiVersion: 'v1', kind: 'ServiceAccount', metadata: {name: 'coredns', namespace}},
    },
    {
      path: `${rbac}/clusterroles/${role}`,
      object: {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: {name: role},
        rules: [
          {apiGroups: [''], resources: ['services', 'pods', 'namespaces'], verbs: ['list', 'watch']},
          {apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch']},
        ],
      },
    },
    {
      path: `${rbac}/clusterrolebindings/${role}`,
      object: {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRoleBinding',
        metadata: {name: role},
        roleRef: {apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role},
        subjects: [{kind: 'ServiceAccount', name: 'coredns', namespace}],
      },
    },
    {
      path: `${core}/configmaps/coredns`,
      object: {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: {name: 'coredns', namespace},
        data: {Corefile: corefile},
      },
    },
    {path: `/apis/apps/v1/namespaces/${namespace}/deployments/coredns`, object: deployment(plan)},
    {path: `${core}/services/kube-dns`, object: service(plan)},
  ]
}

/** Makes the objects; the pod waits for a network. */
export async function deployCoredns(plan: LabPlan, signal: AbortSignal): Promise<void> {
  // The API server makes this namespace a moment after it is ready.
  await waitFor(`namespace ${namespace}`, () => objectExists(plan, `/api/v1/namespaces/${namespace}`), {
    signal,
    everyMs: 100,
    where: labPaths(plan.name).log('control-plane-kube-apiserver'),
  })
  for (const {path, object} of corednsObjects(plan)) await applyObject(plan, path, object)
}

/** Where it finds the API server: at its service address, like every pod; straight when nobody serves services. */
function environment(plan: LabPlan): readonly {readonly name: string; readonly value: string}[] {
  if (plan.cni === 'none' || plan.kubeProxy !== 'none') return []
  return [
    {name: 'KUBERNETES_SERVICE_HOST', value: apiAddress(plan)},
    {name: 'KUBERNETES_SERVICE_PORT', value: '6443'},
  ]
}

const corefile = `.:53 {
    errors
    health :8080
    ready :8181
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
}
`

function deployment(plan: LabPlan): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {name: 'coredns', namespace, labels},
    spec: {
      replicas: 1,
      selector: {matchLabels: labels},
      template: {
        metadata: {labels},
        spec: {
          serviceAccountName: 'coredns',
          priorityClassName: 'system-cluster-critical',
          // The node's resolv.conf: names that are not the cluster's go to the outside's DNS server.
          dnsPolicy: 'Default',
          tolerations: [{key: 'CriticalAddonsOnly', operator: 'Exists'}],
          containers: [
            {
              name: 'coredns',
              image: corednsImage,
              imagePullPolicy: 'Never',
              args: ['-conf', '/etc/coredns/Corefile'],
              env: environment(plan),
              ports: [
                {name: 'dns', containerPort: 53, protocol: 'UDP'},
                {name: 'dns-tcp', containerPort: 53, protocol: 'TCP'},
              ],
              livenessProbe: {httpGet: {path: '/health', port: 8080}, initialDelaySeconds: 30},
              readinessProbe: {httpGet: {path: '/ready', port: 8181}, periodSeconds: 2},
              resources: {requests: {cpu: '50m', memory: '50Mi'}, limits: {memory: '170Mi'}},
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: {drop: ['ALL'], add: ['NET_BIND_SERVICE']},
              },
              volumeMounts: [{name: 'config', mountPath: '/etc/coredns', readOnly: true}],
            },
          ],
          volumes: [{name: 'config', configMap: {name: 'coredns'}}],
        },
      },
    },
  }
}

function service(plan: LabPlan): object {
  const clusterIPs = serviceAddresses(plan, 10)
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {name: 'kube-dns', namespace, labels: {...labels, 'kubernetes.io/name': 'CoreDNS'}},
    spec: {
      clusterIP: clusterIPs[0],
      clusterIPs,
      ipFamilies: plan.ipFamilies.map((family) => (family === 'ipv4' ? 'IPv4' : 'IPv6')),
      ipFamilyPolicy: clusterIPs.length === 2 ? 'RequireDualStack' : 'SingleStack',
      selector: labels,
      ports: [
        {name: 'dns', port: 53, targetPort: 53, protocol: 'UDP'},
        {name: 'dns-tcp', port: 53, targetPort: 53, protocol: 'TCP'},
      ],
    },
  }
}
