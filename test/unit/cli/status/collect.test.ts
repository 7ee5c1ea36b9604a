import {expect, test} from 'vitest'
import type {ClusterView, ContainerStatus, Pod, Workload} from '../../../../src/cli/status/cluster-view.ts'
import {collectStatus} from '../../../../src/cli/status/collect.ts'
import type {StatusReport} from '../../../../src/cli/status/report.ts'
import {agentPod, daemonSet, fakeCluster, healthy} from './fake-cluster.ts'

const collect = async (view: ClusterView, onProgress?: (report: StatusReport) => void, verbose = false) => {
  const {signal} = new AbortController()
  return collectStatus(view, {
    workerCount: 2,
    verbose,
    signal,
    ...(onProgress === undefined ? {} : {onProgress}),
  })
}

test('a cluster where all answers are good is ok', async () => {
  const {report} = await collect(fakeCluster())

  expect(report.verdict).toBe('ok')
  expect(report.findings).toEqual([])
  expect(report.pods_count).toEqual({all: 7, by_cilium: 6})
  expect(report.pod_state['cilium']).toEqual({Type: 'DaemonSet', Desired: 2, Ready: 2, Available: 2, Unavailable: 0})
  expect(report.image_count['cilium']).toEqual({'cilium:0.1.0': 2})
  expect(report.generations['node-a']?.generation).toBe(3)
  expect(report.pending).toEqual([])
})

test('parts that are not installed are disabled and no error', async () => {
  const {report} = await collect(fakeCluster())

  expect(report.errors['hubble-relay']).toEqual({'hubble-relay': {Errors: [], Warnings: [], Disabled: true}})
})

test('a missing agent DaemonSet is an error and could not be asked', async () => {
  const {report} = await collect(fakeCluster({daemonSet: undefined, agents: []}))

  expect(report.verdict).toBe('degraded')
  expect(report.collection_errors).toEqual(['DaemonSet cilium was not found'])
})

test('an agent that is not ready makes the cluster degraded', async () => {
  const {report} = await collect(fakeCluster({daemonSet: daemonSet(2, 1)}))

  expect(report.verdict).toBe('degraded')
  expect(report.errors['cilium']?.['cilium']?.Errors).toEqual(['1 pods of DaemonSet cilium are not ready'])
})

test('a subsystem in failure is an error of its pod, with the time it began', async () => {
  const failing = {
    cilium: {state: 'Failure', msg: 'no BPF', since: '2026-01-05T10:00:00.000Z'},
  } as const

  const {report} = await collect(fakeCluster({statuses: {b: failing}}))

  expect(report.errors['cilium']?.['b']?.Errors).toEqual(['Cilium: no BPF'])
  expect(report.since).toBe('2026-01-05T10:00:00.000Z')
})

test('endpoints that are not ready are a warning', async () => {
  const {report} = await collect(
    fakeCluster({
      endpoints: {
        a: [
          {id: 1, status: {state: 'regenerating'}},
          {id: 2, status: {state: 'ready'}},
        ],
      },
    }),
  )

  expect(report.verdict).toBe('warning')
  expect(report.errors['cilium']?.['a']?.Warnings).toEqual(['1 endpoints are not ready'])
})

test('a failing controller says since when, how often and why', async () => {
  const status = {
    controllers: [
      {
        name: 'ipcache',
        status: {
          'consecutive-failure-count': 4,
          'last-failure-msg': 'map is full',
          'last-failure-timestamp': new Date(Date.now() - 60_000).toISOString(),
          'last-success-timestamp': '2026-01-05T10:00:00.000Z',
        },
      },
    ],
  }

  const {report} = await collect(fakeCluster({statuses: {a: status}}))

  expect(report.errors['cilium']?.['a']?.Errors).toEqual(['controller ipcache is failing since 1m (4x): map is full'])
  expect(report.since).toBe('2026-01-05T10:00:00.000Z')
})

test('a pod that waits says for what', async () => {
  const waiting = {reason: 'ErrImagePull', message: 'cilium:nine is nowhere'}
  const images = agentPod('a', {phase: 'Pending', container: {waiting: {reason: 'PodInitializing'}}})
  const pods = [{...images, status: {...images.status, initContainerStatuses: [{name: 'mount', state: {waiting}}]}}]
  const nowhere = agentPod('b', {phase: 'Pending', container: {waiting: {reason: 'ContainerCreating'}}})
  const message = '0/3 nodes are available'
  const conditions = [{type: 'PodScheduled', status: 'False', message}]
  const {report} = await collect(
    fakeCluster({agents: [...pods, {...nowhere, status: {...nowhere.status, conditions}}]}),
  )

  expect(report.errors['cilium']?.['a']?.Warnings).toEqual(['pod is pending: ErrImagePull: cilium:nine is nowhere'])
  expect(report.errors['cilium']?.['b']?.Warnings).toEqual(['pod is pending: 0/3 nodes are available'])
})

test('what kernels lack is told by node, when all is asked for', async () => {
  const kernel = {release: '6.1.0', missing: ['tcx']}
  const cluster = fakeCluster({statuses: {a: {...healthy, kernel}}})

  expect((await collect(cluster)).report.kernels).toEqual({})
  expect((await collect(cluster, undefined, true)).report.kernels).toEqual({'node-a': kernel})
})

test('a controller that never succeeded and does not know when it failed has no time', async () => {
  const never = '0001-01-01T00:00:00.000Z'
  const status = {
    controllers: [
      {
        name: 'watch',
        status: {
          'consecutive-failure-count': 1,
          'last-failure-msg': 'forbidden',
          'last-failure-timestamp': never,
          'last-success-timestamp': never,
        },
      },
    ],
  }

  const {report} = await collect(fakeCluster({statuses: {a: status}}))

  expect(report.errors['cilium']?.['a']?.Errors).toEqual(['controller watch is failing (1x): forbidden'])
  expect(report).not.toHaveProperty('since')
})

test('a crashing agent is told with its exit code and last words, and ends a wait', async () => {
  const crashed = agentPod('a', {container: {waiting: {reason: 'CrashLoopBackOff'}}})
  const pod = {
    ...crashed,
    status: {
      ...crashed.status,
      containerStatuses: [
        {
          ...crashed.status.containerStatuses![0]!,
          lastState: {terminated: {exitCode: 1, finishedAt: '2026-01-05T10:00:00Z'}},
        },
      ],
    },
  }
  const previousLog = async () => 'level=info msg=hello\nlevel=error msg="no BPF"\nbye'

  const {report, crashLooping} = await collect(fakeCluster({agents: [pod, agentPod('b')], overrides: {previousLog}}))

  expect(crashLooping).toBe(true)
  const [text] = report.errors['cilium']!['a']!.Errors
  expect(text).toContain('CrashLoopBackOff, exited with code 1')
  expect(text).toContain('level=error msg="no BPF"')
})

test('agents of the revision before that crash do not end the wait for the next', async () => {
  const of = (name: string, revision: string, at: string, state: ContainerStatus['state']) => {
    const pod = agentPod(name, {container: state})
    return {
      ...pod,
      metadata: {...pod.metadata, creationTimestamp: at, labels: {'controller-revision-hash': revision}},
    }
  }
  const crashing = {waiting: {reason: 'CrashLoopBackOff'}}
  const before = of('a', 'old', '2026-01-05T09:00:00Z', crashing)
  const isCrashing = async (agents: readonly Pod[], status: Partial<Workload['status']>) =>
    (await collect(fakeCluster({agents, daemonSet: daemonSet(2, 0, status)}))).crashLooping

  expect(await isCrashing([before], {observedGeneration: 0})).toBe(false)
  expect(await isCrashing([before], {updatedNumberScheduled: 0})).toBe(false)
  const next = (state: ContainerStatus['state']) => of('b', 'new', '2026-01-05T10:00:00Z', state)
  expect(await isCrashing([before, next({running: {}})], {updatedNumberScheduled: 1})).toBe(false)
  expect(await isCrashing([before, next(crashing)], {updatedNumberScheduled: 1})).toBe(true)
})

test('an agent that has started again but is not ready is told with how it ended before', async () => {
  const words = 'level=error code=DATAPATH_SELF_CHECK'
  const lastState = {terminated: {exitCode: 1, finishedAt: '2026-01-05T10:00:00Z', message: words}}
  const restarted = (ready: boolean) => {
    const pod = agentPod('a')
    const [status] = pod.status.containerStatuses!
    return {...pod, status: {...pod.status, containerStatuses: [{...status!, ready, lastState}]}}
  }

  const {report} = await collect(fakeCluster({agents: [restarted(false), agentPod('b')]}))
  const {report: well} = await collect(fakeCluster({agents: [restarted(true), agentPod('b')]}))

  expect(report.errors['cilium']!['a']!.Errors).toContainEqual(
    'container cilium-agent has started again after it exited with code 1, level=error code=DATAPATH_SELF_CHECK',
  )
  expect(well.errors['cilium']?.['a']).toBeUndefined()
})

test('an agent whose answer is no JSON is an error of that agent alone', async () => {
  const view = fakeCluster()
  const exec: ClusterView['exec'] = async (pod, container, command) =>
    pod === 'a' ? {stdout: 'Usage: cilium', stderr: '', exitCode: 0} : view.exec(pod, container, command)

  const {report} = await collect({...view, exec})

  expect(report.errors['cilium']?.['a']?.Errors[0]).toContain('did not answer with JSON: Usage: cilium')
  expect(report.cilium_status['b']).toBeDefined()
})

test('a question that fails is named and the others are still answered', async () => {
  const countPods = async () => Promise.reject(new Error('forbidden'))

  const {report} = await collect(fakeCluster({overrides: {countPods}}))

  expect(report.verdict).toBe('unknown')
  expect(report.collection_errors).toEqual(['cluster pods: internal error: forbidden'])
  expect(report.helm_chart_version).toBe('0.1.0')
})

test('answers show as they come in', async () => {
  const seen: string[][] = []

  await collect(fakeCluster(), (report) => seen.push([...report.pending]))

  expect(seen[0]!.length).toBeGreaterThan(0)
  expect(seen.at(-1)).toEqual([])
})

test('at most so many agents are asked at once', async () => {
  const view = fakeCluster({agents: ['a', 'b', 'c', 'd', 'e'].map((name) => agentPod(name))})
  let asked = 0
  let most = 0
  const exec: ClusterView['exec'] = async (...question) => {
    most = Math.max(most, ++asked)
    await new Promise((resolve) => setImmediate(resolve))
    asked--
    return view.exec(...question)
  }

  await collect({...view, exec})

  expect(most).toBe(4) // two agents with two questions each
})
