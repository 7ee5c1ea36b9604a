import {describe, expect, test} from 'vitest'
import {kubernetesModule, versionProblem} from '../../../src/lab/go-module.ts'

test('the module that builds Kubernetes replaces each staging module by its published version, once', () => {
  const goMod =
    'replace (\n\tk8s.io/kubectl => ./staging/src/k8s.io/kubectl\n\tk8s.io/api => ./staging/src/k8s.io/api\n\tk8s.io/api => ./staging/src/k8s.io/api\n)\n'

  expect(kubernetesModule('v1.34.4', goMod)).toBe(
    'module lab/k8s\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v1.34.4\nreplace (\n' +
      '\tk8s.io/api => k8s.io/api v0.34.4\n\tk8s.io/kubectl => k8s.io/kubectl v0.34.4\n)\n',
  )
})

describe('a Kubernetes version', () => {
  test.each(['v1.32.0', 'v1.34.4', 'v1.35.4'])('%s runs on containerd 1.6', (version) => {
    expect(versionProblem(version, '1.6.20~ds1')).toBeUndefined()
  })

  test('that needs containerd 2 is refused on containerd 1, with the reason', () => {
    expect(versionProblem('v1.36.1', '1.6.20~ds1')?.reason).toBe(
      'kubelet from v1.36 needs containerd 2, here is 1.6.20~ds1',
    )
    expect(versionProblem('v1.36.1', '2.0.5')).toBeUndefined()
  })

  test('that is too old is refused', () => {
    expect(versionProblem('v1.28.0', '1.6.20~ds1')?.advice).toMatch(/v1\.32/)
  })
})
