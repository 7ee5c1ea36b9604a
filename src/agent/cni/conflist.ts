/** What tells the container runtime to call us: the text of 05-cilium.conflist, and which version it may have. Pure. */
import type {CniVersion} from '../../api/cni.ts'

export interface ConflistOptions {
  readonly version: CniVersion
  readonly debug: boolean
  readonly logFile: string
  /** undefined: the plugin's default */
  readonly socketPath: string | undefined
}

/** The network list (CNI spec 1.1, section 1), pretty-printed: people read it when pods hang. */
export function conflistText({version, debug, logFile, socketPath}: ConflistOptions): string {
  const plugin = {
    type: 'cilium-cni',
    'enable-debug': debug,
    'log-file': logFile,
    ...(socketPath === undefined ? {} : {'agent-socket': socketPath}),
  }
  return `${JSON.stringify({cniVersion: version, name: 'cilium', plugins: [plugin]}, undefined, 2)}\n`
}

/** Since when runtimes read a version of the specification; the newest first. */
const support: Readonly<Record<string, readonly (readonly [major: number, minor: number, version: CniVersion])[]>> = {
  containerd: [
    [2, 0, '1.1.0'],
    [1, 6, '1.0.0'],
    [1, 0, '0.3.1'],
  ],
  'cri-o': [
    [1, 31, '1.1.0'],
    [1, 23, '1.0.0'],
    [1, 0, '0.3.1'],
  ],
}

/**
 * The newest version that the node's runtime understands. A runtime that reads too new a version leaves the node
 * without network, one that reads an older one loses nothing but verbs: unknown ones get 0.3.1.
 *
 * @param runtime `status.nodeInfo.containerRuntimeVersion` of the Node: `containerd://1.6.20`
 */
export function newestVersion(runtime: string | undefined): CniVersion {
  const match = /^([a-z-]+):\/\/v?(\d+)\.(\d+)/.exec(runtime ?? '')
  if (match === null) return '0.3.1'
  const [, name, major, minor] = match
  const at = Number(major) * 1000 + Number(minor)
  return support[name!]?.find(([since, sinceMinor]) => at >= since * 1000 + sinceMinor)?.[2] ?? '0.3.1'
}

/** Files of other networks that runtimes would read before or after ours. */
export function foreignConfigs(names: readonly string[], own: string): string[] {
  return names.filter((name) => name !== own && /\.(conf|conflist|json)$/.test(name)).sort()
}

/** Appended to the name of a file that we put aside. */
export const asideSuffix = '.cilium_bak'
