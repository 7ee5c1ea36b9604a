/** The real Helm, built once from its Go module into the user's cache. */
import {existsSync, mkdirSync, writeFileSync} from 'node:fs'
import {homedir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'

const version = 'v3.22.0'
const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cilium-helm')

/**
 * Path of the helm program. The first call on a machine builds it: some minutes.
 *
 * @throws when there is no Go or the build fails, with the compiler's words
 */
export async function helmProgram(): Promise<string> {
  const program = join(folder, 'bin', `helm-${version}`)
  if (existsSync(program)) return program
  mkdirSync(folder, {recursive: true})
  writeFileSync(join(folder, 'go.mod'), `module lab/helm\n\ngo 1.25.0\n\nrequire helm.sh/helm/v3 ${version}\n`)
  const packages = 'helm.sh/helm/v3'
  const flags = [
    '-s -w',
    `-X ${packages}/internal/version.version=${version}`,
    `-X ${packages}/pkg/chartutil.k8sVersionMajor=1`,
    `-X ${packages}/pkg/chartutil.k8sVersionMinor=34`,
  ]
  await execa('nice', ['-n', '10', 'go', 'build', '-o', program, '-ldflags', flags.join(' '), `${packages}/cmd/helm`], {
    cwd: folder,
    env: {GOFLAGS: '-mod=mod -buildvcs=false', CGO_ENABLED: '0'},
  })
  return program
}
