import {afterEach, beforeEach, describe, expect, test} from 'vitest'
import type {KubeClient} from '../../../src/k8s/client.ts'
import {LeaderElection, type LeaderElectionOptions} from '../../../src/k8s/leader-election.ts'
import {type Lease, resources} from '../../../src/k8s/resources.ts'
import {type ApiServer, startApiServer} from '../../support/api/api-server.ts'
import {eventually} from '../../support/eventually.ts'
import {FakeClock} from '../../support/fake-clock.ts'

let server: ApiServer
let client: KubeClient
let clock: FakeClock
const candidates: LeaderElection[] = []
const leading: string[] = []

beforeEach(async () => {
  server = await startApiServer()
  client = server.connect()
  clock = new FakeClock()
  leading.length = 0
})
afterEach(async () => {
  server.inject({}, {status: 500})
  const stopping = Promise.all(candidates.splice(0).map((candidate) => candidate.stop()))
  await turn(() => stopping.then(() => true))
  client.close()
  await server.stop()
})

function candidate(identity: string, options: Partial<LeaderElectionOptions> = {}) {
  const election = new LeaderElection({
    client,
    namespace: 'kube-system',
    name: 'operator',
    identity,
    clock,
    random: () => 0,
    lead: (signal) =>
      new Promise<void>((resolve) => {
        leading.push(`+${identity}`)
        signal.addEventListener('abort', () => {
          leading.push(`-${identity}`)
          resolve()
        })
      }),
    ...options,
  })
  candidates.push(election)
  election.start()
  return election
}

/** Turns the clock in small steps (requests are real) until the condition holds. */
async function turn(condition: () => boolean | Promise<boolean>, limitMs = 120_000): Promise<number> {
  const began = clock.monotonic()
  let done: boolean | Promise<boolean> = condition()
  if (done instanceof Promise) {
    const promise = done
    done = false
    void promise.then((value) => {
      done = value
    })
  }
  await eventually(async () => {
    if (done === true || (typeof condition() === 'boolean' && condition() === true)) return true
    if (clock.monotonic() - began > limitMs) throw new Error('it took too long')
    await clock.advance(250)
    return false
  })
  return clock.monotonic() - began
}

const lease = () => server.get<Lease>(resources.leases, 'kube-system/operator')

describe('becoming leader', () => {
  test('the first takes the lease, the second waits', async () => {
    const first = candidate('a')
    await turn(() => first.isLeader)
    const second = candidate('b')
    await turn(() => second.leader === 'a')
    await clock.advance(30_000)

    expect([first.isLeader, second.isLeader, leading]).toEqual([true, false, ['+a']])
    expect(lease()?.spec).toMatchObject({holderIdentity: 'a', leaseDurationSeconds: 15, leaseTransitions: 0})
  })

  test('of many who start at once exactly one leads', async () => {
    const all = Array.from({length: 8}, (_, i) => candidate(`c${i}`))
    await turn(() => all.some((one) => one.isLeader))
    await clock.advance(20_000)
    expect(all.filter((one) => one.isLeader)).toHaveLength(1)
    expect(leading).toHaveLength(1)
  })

  test('a lease left by a leader that died is taken when it has run out, and counted', async () => {
    server.put<Lease>(resources.leases, {
      metadata: {name: 'operator', namespace: 'kube-system'},
      spec: {holderIdentity: 'dead', renewTime: '2099-01-01T00:00:00.000000Z', leaseTransitions: 4},
    })
    const heir = candidate('b')
    const waited = await turn(() => heir.isLeader)
    expect(waited).toBeGreaterThanOrEqual(14_000)
    expect(lease()?.spec).toMatchObject({holderIdentity: 'b', leaseTransitions: 5})
  })

  test('our own lease from before a restart is taken at once', async () => {
    server.put<Lease>(resources.leases, {
      metadata: {name: 'operator', namespace: 'kube-system'},
      spec: {holderIdentity: 'a'},
    })
    const again = candidate('a')
    expect(await turn(() => again.isLeader)).toBeLessThan(3000)
  })

  test('an API server that is away is waited for', async () => {
    server.inject({times: 3}, {status: 403, reason: 'Forbidden'})
    const election = candidate('a')
    await turn(() => election.isLeader)
    expect(server.requests.length).toBeGreaterThan(3)
  })
})

describe('losing it', () => {
  test('a leader that cannot renew stops before another can begin', async () => {
    const first = candidate('a')
    await turn(() => first.isLeader)
    const renewed = clock.monotonic()
    server.inject({path: /leases/}, 'hang')
    await turn(() => !first.isLeader)
    expect(clock.monotonic() - renewed).toBeLessThan(15_000)
    expect(leading).toEqual(['+a', '-a'])
  })

  test('a leader whose lease somebody else took stops', async () => {
    const first = candidate('a')
    await turn(() => first.isLeader)
    const taken = lease()!
    server.put<Lease>(resources.leases, {...taken, spec: {...taken.spec, holderIdentity: 'thief'}})
    await turn(() => !first.isLeader)
    expect(first.leader).toBe('thief')
  })

  test('a leader that stops in good order lets the lease go: the next takes it at once', async () => {
    const first = candidate('a')
    await turn(() => first.isLeader)
    const second = candidate('b')
    await turn(() => second.leader === 'a')
    const stopping = first.stop()
    await turn(() => stopping.then(() => true))
    expect(await turn(() => second.isLeader)).toBeLessThan(5000)
    expect(leading).toEqual(['+a', '-a', '+b'])
  })

  test('work that fails gives leadership up and tries again', async () => {
    let runs = 0
    const election = candidate('a', {
      lead: async () => {
        runs++
        if (runs === 1) throw new Error('the work broke')
        await new Promise(() => {})
      },
    })
    await turn(() => runs === 2)
    expect(election.isLeader).toBe(true)
    candidates.pop() // its work never ends, so it could not be stopped
  })
})
