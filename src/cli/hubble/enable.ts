/**
 * `cilium hubble enable` and `disable`: what stands beside the agents (relay, user interface) is switched by changing
 * the release, so that the next upgrade does not take it back.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {objects} from '../../k8s/objects.ts'
import {type KubeObject, resources} from '../../k8s/resources.ts'
import type {Step} from '../../lab/steps.ts'
import {deepCopy, type Tree} from '../chart/template/value.ts'
import {getPath, putPath} from '../chart/value-path.ts'
import {withDefaults} from '../chart/values.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {ClusterAccess} from '../install/cluster-access.ts'
import {defaultHistoryMax, ReleaseStore} from '../install/release-store.ts'
import {restartSteps, upgradeSteps} from '../install/upgrade.ts'
import {prepareValueChange} from '../install/upgrade-plan.ts'
import {type ProgressOptions, runWithProgress} from '../lab/progress.ts'

export interface HubbleChange {
  readonly cluster: ClusterOptions
  readonly relay: boolean
  readonly ui: boolean
  readonly wait: boolean
  readonly waitMs: number
  readonly progress: ProgressOptions
}

export interface HubbleChangeResult {
  readonly relay: boolean
  readonly ui: boolean
  readonly revision: number
  /** agents recorded no flows before, and start anew */
  readonly restarted: boolean
  /** with --wait: what was not ready in time */
  readonly waitingFor?: readonly string[]
}

interface Deployment extends KubeObject {
  readonly spec?: {readonly replicas?: number}
  readonly status?: {
    readonly observedGeneration?: number
    readonly replicas?: number
    readonly updatedReplicas?: number
    readonly availableReplicas?: number
  }
}

const lookEveryMs = 1_000

/** @throws INSTALL_NOT_FOUND, INSTALL_BUSY, errors of the chart */
export async function changeHubble(change: HubbleChange): Promise<HubbleChangeResult> {
  const {cluster, relay, ui} = change
  using access = await ClusterAccess.connect(cluster)
  const store = new ReleaseStore(access, cluster.namespace, cluster.helmReleaseName)
  let restarted = false
  const {next} = await prepareValueChange(access, store, cluster, {
    change: (before, defaults) => {
      // agents read at their start whether they record flows
      restarted = (relay || ui) && getPath(withDefaults(before, defaults).values, 'hubble.enabled') === false
      return withHubble(before, {relay, ui})
    },
    description: relay || ui ? 'hubble enable' : 'hubble disable',
  })
  const steps = upgradeSteps(access, store, next, {historyMax: defaultHistoryMax})
  if (restarted) steps.push(...restartSteps(access, next.wanted, new Date()))
  const waiting: {for?: readonly string[]} = {}
  if (change.wait) steps.push(readyStep(access, change, waiting))
  await runWithProgress(steps, change.progress)
  const missing = waiting.for ?? []
  return {relay, ui, revision: next.next.version, restarted, ...(missing.length === 0 ? {} : {waitingFor: missing})}
}

/** The user's values with relay and user interface on or off; whoever switches one on wants flows recorded. */
export function withHubble(values: Tree, {relay, ui}: {readonly relay: boolean; readonly ui: boolean}): Tree {
  const changed = deepCopy(values)
  if ((relay || ui) && getPath(changed, 'hubble.enabled') === false) putPath(changed, 'hubble.enabled', true)
  putPath(changed, 'hubble.relay.enabled', relay)
  putPath(changed, 'hubble.ui.enabled', ui)
  return changed
}

function readyStep(access: ClusterAccess, change: HubbleChange, into: {for?: readonly string[]}): Step {
  const {namespace} = change.cluster
  const switched = {'hubble-relay': change.relay, 'hubble-ui': change.ui}
  return {
    title: 'Ready',
    run: async (say, signal) => {
      const deadline = Date.now() + change.waitMs
      for (;;) {
        const waiting: string[] = []
        for (const [name, wanted] of Object.entries(switched)) {
          const found = await objects<Deployment>(access.client, resources.deployments).find(
            {namespace, name},
            {signal},
          )
          if (wanted ? !isReady(found) : found !== undefined) waiting.push(wanted ? name : `the end of ${name}`)
        }
        into.for = waiting
        if (waiting.length === 0 || Date.now() >= deadline) return
        say(`waiting for ${waiting.join(' and ')}`)
        await sleep(Math.min(lookEveryMs, Math.max(0, deadline - Date.now())), undefined, {signal})
      }
    },
  }
}

/** All pods are of the newest form and can be used. */
function isReady(deployment: Deployment | undefined): boolean {
  if (deployment === undefined) return false
  const {metadata, spec, status = {}} = deployment
  const wanted = spec?.replicas ?? 1
  return (
    (status.observedGeneration ?? 0) >= (metadata.generation ?? 0) &&
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted
  )
}

export function hubbleChangeText({relay, ui, revision, restarted, waitingFor}: HubbleChangeResult): string {
  const onOff = (on: boolean) => (on ? 'on' : 'off')
  const lines = [`hubble-relay is ${onOff(relay)}, hubble-ui is ${onOff(ui)} (revision ${revision})`]
  if (restarted) lines.push('agents start anew to record flows')
  if (waitingFor !== undefined) lines.push(`gave up waiting for ${waitingFor.join(' and ')}: see "cilium status"`)
  else if (relay)
    lines.push(ui ? 'look at flows: cilium hubble ui, hubble observe -P' : 'look at flows: hubble observe -P')
  return `${lines.join('\n')}\n`
}
