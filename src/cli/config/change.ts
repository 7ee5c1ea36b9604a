/**
 * `cilium config set` and `delete`: a key of cilium-config is changed by changing the release, so that the next upgrade
 * does not take it back.
 */
import {liveConfigKeys} from '../../model/live-config.ts'
import {declareErrors, fail} from '../../runtime/errors.ts'
import {deepCopy, isTree, type Tree, tree} from '../chart/template/value.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {declareUsageErrors} from '../errors.ts'
import {ClusterAccess} from '../install/cluster-access.ts'
import {defaultHistoryMax, ReleaseStore} from '../install/release-store.ts'
import {restartSteps, upgradeSteps} from '../install/upgrade.ts'
import {prepareValueChange} from '../install/upgrade-plan.ts'
import {type ProgressOptions, runWithProgress} from '../lab/progress.ts'
import {clean} from '../render/text.ts'

export const {CONFIG_KEY_INVALID} = declareUsageErrors({
  CONFIG_KEY_INVALID: {what: '"{key}" is not a key of cilium-config', advice: 'cilium config view lists the keys'},
})

export const {CONFIG_KEY_OF_VALUE} = declareErrors({
  CONFIG_KEY_OF_VALUE: {
    what: '{key} was not set with cilium config set, so it cannot be deleted',
    advice: 'cilium config set {key} VALUE sets it to something else',
  },
})

export interface ConfigChange {
  readonly cluster: ClusterOptions
  readonly key: string
  /** undefined takes back what was set */
  readonly value: string | undefined
  readonly restart: boolean
  readonly progress: ProgressOptions
}

export interface ConfigChangeResult {
  readonly key: string
  readonly value: string | undefined
  readonly revision: number
  readonly restarted: boolean
}

/** @throws CONFIG_KEY_INVALID, CONFIG_KEY_OF_VALUE, INSTALL_NOT_FOUND, INSTALL_BUSY */
export async function changeConfig(change: ConfigChange): Promise<ConfigChangeResult> {
  const {key, value, cluster} = change
  if (!/^[a-z0-9][-._a-z0-9]*$/.test(key)) fail(CONFIG_KEY_INVALID, {key})
  using access = await ClusterAccess.connect(cluster)
  const store = new ReleaseStore(access, cluster.namespace, cluster.helmReleaseName)
  const {next} = await prepareValueChange(access, store, cluster, {
    change: (values, defaults) => withKey(values, defaults, key, value),
    description: value === undefined ? `config delete ${key}` : `config set ${key}`,
  })
  const steps = upgradeSteps(access, store, next, {historyMax: defaultHistoryMax})
  if (change.restart) steps.push(...restartSteps(access, next.wanted, new Date()))
  await runWithProgress(steps, change.progress)
  return {key, value, revision: next.next.version, restarted: change.restart}
}

/**
 * The user's values with the key changed. Raw keys are values of their own, below extraConfig.
 *
 * @param defaults of the stored chart: `helm upgrade --reuse-values` writes earlier values there, where only null
 *   takes them away
 */
export function withKey(values: Tree, defaults: Tree, key: string, value: string | undefined): Tree {
  const changed = deepCopy(values)
  const [present, fallback] = [changed['extraConfig'], defaults['extraConfig']]
  const extra = isTree(present) ? present : tree()
  const hasDefault = isTree(fallback) && key in fallback
  if (value === undefined && !(key in extra) && !hasDefault) fail(CONFIG_KEY_OF_VALUE, {key})
  if (value !== undefined) extra[key] = value
  else if (hasDefault) extra[key] = null
  else delete extra[key]
  if (Object.keys(extra).length === 0) delete changed['extraConfig']
  else changed['extraConfig'] = extra
  return changed
}

export function changeText({key, value, revision, restarted}: ConfigChangeResult): string {
  const what = value === undefined ? `${clean(key)} is as the values make it` : `${clean(key)} is ${clean(value)}`
  const isLive = liveConfigKeys.some((one) => one === key)
  const later = isLive
    ? 'agents that run take it over when their kubelet has written it, within about a minute'
    : 'it counts for agents that start from now on'
  const then = restarted ? 'agents and operators restart' : later
  return `${what} (revision ${revision}); ${then}\n`
}
