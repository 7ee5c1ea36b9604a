/** Text of the Go modules from which Kubernetes and CoreDNS are built. Pure. */

/** CoreDNS that goes with every Kubernetes version a lab can run. */
export const corednsVersion = 'v1.14.7'

/**
 * A module that builds Kubernetes' commands. `go install` refuses k8s.io/kubernetes because of its replace directives;
 * a module of our own that points the staging modules to their published versions does not have that problem.
 *
 * @param version vX.Y.Z; the staging modules are v0.Y.Z
 * @param goMod text of k8s.io/kubernetes' own go.mod at that version
 */
export function kubernetesModule(version: string, goMod: string): string {
  const staging = version.replace(/^v1\./, 'v0.')
  const names = [...goMod.matchAll(/(k8s\.io\/[a-z0-9-]+) => \.\/staging/g)].map((match) => match[1]!)
  const replaced = [...new Set(names)].sort().map((name) => `\t${name} => ${name} ${staging}\n`)
  return `module lab/k8s\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes ${version}\nreplace (\n${replaced.join('')})\n`
}

export function corednsModule(version: string): string {
  return `module lab/coredns\ngo 1.25.0\nrequire github.com/coredns/coredns ${version}\n`
}

/**
 * Whether a Kubernetes version runs on this machine's containerd.
 *
 * @param containerd version as containerd prints it, e.g. 1.6.20~ds1
 * @returns why not, or undefined
 */
export function versionProblem(version: string, containerd: string): {reason: string; advice: string} | undefined {
  const minor = Number(version.split('.')[1])
  if (minor < 32) {
    return {reason: 'its API is older than what the lab and the product use', advice: 'take v1.32 or newer'}
  }
  if (minor >= 36 && Number(containerd.split('.')[0]) < 2) {
    return {
      reason: `kubelet from v1.36 needs containerd 2, here is ${containerd}`,
      advice: 'take v1.35 (the last that works with containerd 1) or older, or install containerd 2',
    }
  }
  return undefined
}
