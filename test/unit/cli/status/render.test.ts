import {expect, test} from 'vitest'
import {plain} from '../../../../src/cli/render/style.ts'
import {collectStatus} from '../../../../src/cli/status/collect.ts'
import {statusText} from '../../../../src/cli/status/render.ts'
import {daemonSet, fakeCluster} from './fake-cluster.ts'

const {signal} = new AbortController()
const options = {workerCount: 1, verbose: false, signal}

test('a healthy cluster is drawn line by line', async () => {
  const {report} = await collectStatus(fakeCluster(), options)

  expect(statusText(report, plain)).toBe(
    `    /¯¯\\       Cilium:             OK
 /¯¯\\__/¯¯\\    Operator:           OK
 \\__/¯¯\\__/    Envoy DaemonSet:    disabled (using embedded mode)
 /¯¯\\__/¯¯\\    Hubble Relay:       disabled
 \\__/¯¯\\__/    ClusterMesh:        disabled
    \\__/

DaemonSet              cilium             Desired: 2, Ready: 2/2, Available: 2/2
Deployment             cilium-operator    Desired: 2, Ready: 2/2, Available: 2/2
Containers:            cilium             Running: 2
Cluster Pods:          6/7 managed by Cilium
Helm chart version:    0.1.0
Image versions         cilium    cilium:0.1.0: 2
Programs:              node-a    generation 3 (0.1.0) since 2026-01-05T09:00:10.000Z
                       node-b    generation 3 (0.1.0) since 2026-01-05T09:00:10.000Z
`,
  )
})

test('errors and warnings are listed with component, pod and words, and degraded says since when', async () => {
  const since = '2026-01-05T10:00:00.000Z'
  const {report} = await collectStatus(
    fakeCluster({
      daemonSet: daemonSet(2, 1),
      statuses: {a: {kubernetes: {state: 'Failure', msg: 'no answer', since, 'k8s-api-versions': []}}},
      endpoints: {b: [{id: 1, status: {state: 'restoring'}}]},
    }),
    options,
  )

  const text = statusText(report, plain, Date.parse(since) + 190_000)

  expect(text).toContain('Cilium:             2 errors, 1 warnings\n')
  expect(text).toContain('Desired: 2, Ready: 1/2, Available: 1/2, Unavailable: 1/2\n')
  expect(text).toMatch(/^Errors: +cilium +a +Kubernetes: no answer$/m)
  expect(text).toMatch(/^ +cilium +cilium +1 pods of DaemonSet cilium are not ready$/m)
  expect(text).toMatch(/^Warnings: +cilium +b +1 endpoints are not ready$/m)
  expect(text).toMatch(/\nDegraded since 2026-01-05T10:00:00.000Z \(3m10s\)\n$/)
})

test('text of the cluster cannot move the cursor', async () => {
  const {report} = await collectStatus(
    fakeCluster({statuses: {a: {cilium: {state: 'Failure', msg: 'x\u001b[2Jy\u009b1Az\r\nnext'}}}}),
    options,
  )

  const text = statusText(report, plain)

  expect(text).toContain('Cilium: x[2Jy1Az next')
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/)
})
