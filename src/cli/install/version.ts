/** `cilium version`: of this CLI, of what it installs, and of what runs. */
import {CiliumError} from '../../runtime/errors.ts'
import {productVersion, versionText} from '../../runtime/version.ts'
import type {ClusterOptions} from '../cluster-options.ts'
import {clean} from '../render/text.ts'
import {ClusterAccess} from './cluster-access.ts'
import {ReleaseStore} from './release-store.ts'

export interface Versions {
  readonly cli: string
  /** what `cilium install` installs */
  readonly default: string
  /** absent with --client */
  readonly running?: string
  /** why `running` could not be told */
  readonly problem?: string
}

/** @param cluster absent with --client: no cluster is asked */
export async function readVersions(cluster: ClusterOptions | undefined): Promise<Versions> {
  const own = {cli: versionText(), default: productVersion().version}
  if (cluster === undefined) return own
  try {
    using access = await ClusterAccess.connect(cluster)
    const release = await new ReleaseStore(access, cluster.namespace, cluster.helmReleaseName).newest()
    if (release === undefined || release.info.status === 'uninstalled') return {...own, running: 'not installed'}
    const {appVersion, version} = release.chart.metadata
    return {...own, running: appVersion ?? version ?? 'unknown'}
  } catch (thrown) {
    const {code, message} = CiliumError.from(thrown)
    return {...own, running: 'unknown', problem: `${code} ${message}`}
  }
}

export function versionsText(versions: Versions): string {
  const lines = [`cilium-cli: ${versions.cli}`, `cilium image (default): ${versions.default}`]
  // nothing but the cluster is asked over a network, so what is published elsewhere stays unknown
  lines.push('cilium image (stable): unknown')
  if (versions.running !== undefined) lines.push(`cilium image (running): ${clean(versions.running)}`)
  if (versions.problem !== undefined) lines[lines.length - 1] += `. Reason: ${clean(versions.problem)}`
  return `${lines.join('\n')}\n`
}
