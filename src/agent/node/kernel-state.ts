/** What this node's kernel is and lacks: asked once, by trying, when somebody first wants to know. */
import {type KernelFeature, kernelFeatures, probeKernel} from '../../kernel/bpf/probe.ts'

export interface KernelState {
  /** as `uname -r` says */
  readonly release: string
  readonly missing: readonly string[]
}

let known: KernelState | undefined

/** @throws KernelError as probeKernel() */
export function kernelState(): KernelState {
  if (known === undefined) {
    const {release, has} = probeKernel()
    known = {release, missing: (Object.keys(kernelFeatures) as KernelFeature[]).filter((one) => !has[one])}
  }
  return known
}
