import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test, vi} from 'vitest'
import {allKinds} from '../../../src/operator/crd/all.ts'
import {definitionOf, type Kind} from '../../../src/operator/crd/kind.ts'
import {type KubernetesApi, startKubernetesApi} from '../../support/kubernetes-api.ts'
import {badSamples, goodSamples, type Sample} from './samples.ts'

let api: KubernetesApi
const warnings: string[] = []

beforeAll(async () => {
  api = await startKubernetesApi()
  for (const kind of allKinds) {
    const answer = await api.apply(definitionPath(kind), definitionOf(kind))
    expect(answer.status, JSON.stringify(answer.body)).toBe(201)
    warnings.push(...answer.warnings)
  }
  for (const kind of allKinds) await established(kind)
})

afterAll(() => api?.stop())

test('the API server takes every definition without a warning and calls it established', () => {
  expect(warnings).toEqual([])
})

test('every definition is structural: nothing that the schema does not know is kept', async () => {
  for (const kind of allKinds) {
    const {body} = await api.call('GET', definitionPath(kind))
    const broken = body.status.conditions.filter((c: {type: string}) => c.type === 'NonStructuralSchema')
    expect(broken, kind.kind).toEqual([])
  }
})

describe('accepts', () => {
  test.each(goodSamples.map((sample, index) => [`${sample.kind}: ${sample.says}`, sample, index] as const))(
    '%s',
    async (_, sample, index) => {
      const answer = await create(sample, `good-${index}`)

      expect(answer.status, answer.body.message).toBe(201)
      expect(answer.body).toMatchObject(withoutStatus(sample))
    },
  )
})

describe('refuses, naming the field', () => {
  test.each(badSamples.map((sample, index) => [`${sample.kind}: ${sample.says}`, sample, index] as const))(
    '%s',
    async (_, sample, index) => {
      const answer = await create(sample, `bad-${index}`)

      expect(answer.status).toBeGreaterThanOrEqual(400)
      expect(answer.body.message).toContain(sample.refusedWith)
    },
  )
})

test('what says that it is immutable cannot be changed', async () => {
  const path = '/apis/cilium.io/v2/namespaces/default/ciliumlocalredirectpolicies/immutable'
  const policy = (port: string) => ({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumLocalRedirectPolicy',
    metadata: {name: 'immutable'},
    spec: {
      redirectFrontend: {serviceMatcher: {serviceName: 'dns', namespace: 'default'}},
      redirectBackend: {localEndpointSelector: {}, toPorts: [{port, protocol: 'UDP'}]},
    },
  })
  await api.apply(path, policy('53'))

  const changed = await api.apply(path, policy('54'))

  expect(changed.status).toBe(422)
  expect(changed.body.message).toContain('spec.redirectBackend: Invalid value')
})

test('defaults are filled in', async () => {
  const {body: policy} = await create(
    {
      ...goodSamples[0]!,
      content: {spec: {endpointSelector: {}, ingress: [{icmps: [{fields: [{type: 8}]}]}]}},
    },
    'defaults',
  )

  expect(policy.spec.ingress[0].icmps[0].fields[0].family).toBe('IPv4')
})

test('a status is written through its subresource, and only there', async () => {
  const path = '/apis/cilium.io/v2/ciliumnodes/status-test'
  const node = {apiVersion: 'cilium.io/v2', kind: 'CiliumNode', metadata: {name: 'status-test'}, spec: {}}
  const status = {ipam: {'operator-status': {error: 'no prefix left'}}}
  await api.apply(path, {...node, status})
  expect((await api.call('GET', path)).body.status).toBeUndefined()

  const written = await api.call('PATCH', `${path}/status`, {status}, 'application/merge-patch+json')

  expect(written.status).toBe(200)
  expect((await api.call('GET', path)).body.status).toEqual(status)
})

test('kubectl finds every kind by its short names and lists it with its columns', async () => {
  for (const kind of allKinds) {
    for (const name of [kind.plural, ...kind.shortNames]) {
      const {stdout, exitCode, stderr} = await kubectl('get', name, '--all-namespaces', '-o', 'wide')
      expect(exitCode, stderr).toBe(0)
      if (name !== kind.plural) continue
      const heading = stdout.split('\n')[0] ?? ''
      for (const column of kind.columns) expect(heading).toContain(column.name.toUpperCase())
    }
  }
})

test('kubectl get cilium lists all of them at once', async () => {
  const {stdout} = await kubectl('get', 'cilium', '--all-namespaces', '-o', 'name')

  for (const kind of allKinds) expect(stdout).toContain(`${kind.singular}.cilium.io/`)
})

test('an older version of a kind reads the same objects, with a warning', async () => {
  const answer = await api.call('GET', '/apis/cilium.io/v2alpha1/ciliumcidrgroups')

  expect(answer.status).toBe(200)
  expect(answer.body.items.length).toBeGreaterThan(0)
  expect(answer.warnings.join()).toContain('deprecated')
})

function definitionPath(kind: Kind): string {
  return `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${kind.plural}.cilium.io`
}

async function established(kind: Kind): Promise<void> {
  const soon = {timeout: 60_000, interval: 100}
  await vi.waitFor(async () => {
    const {body} = await api.call('GET', definitionPath(kind))
    expect(body.status.conditions).toContainEqual(expect.objectContaining({type: 'Established', status: 'True'}))
  }, soon)
  // discovery follows a moment later
  await vi.waitFor(async () => {
    const {status} = await api.call('GET', `/apis/cilium.io/${kind.versions[0].name}/${kind.plural}`)
    expect(status).toBe(200)
  }, soon)
}

async function create(sample: Sample, name: string) {
  const object = {
    apiVersion: `cilium.io/${sample.version}`,
    kind: sample.kind,
    metadata: {name: sample.kind === 'CiliumIdentity' ? name.replace(/\D/g, '') : name},
    ...sample.content,
  }
  return api.call('POST', `/apis/cilium.io/${sample.path}?fieldValidation=Strict`, object)
}

/** A created object has no status yet where status is a subresource. */
function withoutStatus(sample: Sample): object {
  const kind = allKinds.find(({kind}) => kind === sample.kind)!
  if (!kind.hasStatus) return sample.content
  const {status: _, ...rest} = sample.content as {status?: unknown}
  return rest
}

function kubectl(...args: string[]) {
  return execa(`${api.binaries}/kubectl`, ['--kubeconfig', api.kubeconfig, ...args], {reject: false})
}
