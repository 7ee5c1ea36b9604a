import {productVersion} from '../../runtime/version.ts'

/** The line of `hubble version`. */
export function hubbleVersionText(): string {
  const {version, revision, arch} = productVersion()
  return `hubble v${version}@${revision} compiled with node ${process.version} on linux/${arch}\n`
}
