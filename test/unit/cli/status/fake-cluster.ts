import type {Endpoint, StatusResponse} from '../../../../src/api/models.ts'
import type {ClusterView, ContainerStatus, Pod, Workload} from '../../../../src/cli/status/cluster-view.ts'

/** A running pod of the agent DaemonSet. */
export function agentPod(name: string, overrides: {phase?: string; container?: ContainerStatus['state']} = {}): Pod {
  return {
    metadata: {name, namespace: 'kube-system', creationTimestamp: '2026-01-05T09:00:00Z'},
    spec: {nodeName: `node-${name}`, containers: [{name: 'cilium-agent', image: 'cilium:0.1.0'}]},
    status: {
      phase: overrides.phase ?? 'Running',
      containerStatuses: [{name: 'cilium-agent', state: overrides.container ?? {running: {}}}],
    },
  }
}

export function daemonSet(desired: number, ready = desired, overrides: Partial<Workload['status']> = {}): Workload {
  return {
    metadata: {name: 'cilium', generation: 1},
    spec: {},
    status: {
      observedGeneration: 1,
      desiredNumberScheduled: desired,
      numberReady: ready,
      numberAvailable: ready,
      numberUnavailable: desired - ready,
      updatedNumberScheduled: desired,
      ...overrides,
    },
  }
}

export function deployment(replicas: number, ready = replicas): Workload {
  return {
    metadata: {name: 'cilium-operator', generation: 1},
    spec: {replicas},
    status: {
      observedGeneration: 1,
      replicas,
      readyReplicas: ready,
      availableReplicas: ready,
      unavailableReplicas: replicas - ready,
      updatedReplicas: replicas,
    },
  }
}

export const healthy: StatusResponse = {
  cilium: {state: 'Ok', msg: '0.1.0'},
  kubernetes: {state: 'Ok', msg: '1.34', 'k8s-api-versions': []},
  'program-generation': {generation: 3, version: '0.1.0', since: '2026-01-05T09:00:10.000Z'},
}

export interface FakeCluster {
  agents?: readonly Pod[]
  daemonSet?: Workload | undefined
  statuses?: Readonly<Record<string, StatusResponse>>
  endpoints?: Readonly<Record<string, readonly Endpoint[]>>
  overrides?: Partial<ClusterView>
}

/** A cluster at the edge of the program: answers as the API server and the agents would. */
export function fakeCluster(fake: FakeCluster = {}): ClusterView {
  const agents = fake.agents ?? [agentPod('a'), agentPod('b')]
  return {
    daemonSet: async (name) =>
      name === 'cilium' ? ('daemonSet' in fake ? fake.daemonSet : daemonSet(agents.length)) : undefined,
    deployment: async (name) => (name === 'cilium-operator' ? deployment(2) : undefined),
    pods: async (selector) => (selector === 'k8s-app=cilium' ? agents : []),
    countPods: async () => 7,
    countEndpoints: async () => 6,
    configAnnotations: async () => ({}),
    chartVersion: async () => '0.1.0',
    exec: async (pod, _container, command) => ({
      stdout: JSON.stringify(
        command[1] === 'status' ? (fake.statuses?.[pod] ?? healthy) : (fake.endpoints?.[pod] ?? []),
      ),
      stderr: '',
      exitCode: 0,
    }),
    previousLog: async () => '',
    ...fake.overrides,
  }
}
