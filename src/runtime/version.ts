/** Which build this is. */
import manifest from '../../package.json' with {type: 'json'}

/** Set by the bundler; running from source there is none. */
declare const CILIUM_GIT_COMMIT: string | undefined

export interface Version {
  /** semantic version of the product */
  readonly version: string
  /** short git commit, `dev` when running from source */
  readonly revision: string
  /** as Go names it: amd64, arm64 */
  readonly arch: string
}

export function productVersion(): Version {
  return {
    version: manifest.version,
    revision: typeof CILIUM_GIT_COMMIT === 'string' ? CILIUM_GIT_COMMIT : 'dev',
    arch: process.arch === 'x64' ? 'amd64' : process.arch,
  }
}

/** `0.1.0 dev linux/amd64`. */
export function versionText({version, revision, arch}: Version = productVersion()): string {
  return `${version} ${revision} ${process.platform}/${arch}`
}
