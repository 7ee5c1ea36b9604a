/**
 * What scripts/test-kernels.ts runs on another kernel: a line of JSON for each program, and one for the kernel.
 *
 *     node test/support/verifier/guest-program.ts [object …]
 */
import {type KernelFeature, kernelFeatures, probeKernel} from '../../../src/kernel/bpf/probe.ts'
import {CiliumError} from '../../../src/runtime/errors.ts'
import {objects, verify} from './verify.ts'

const say = (value: object) => console.log(`result ${JSON.stringify(value)}`)

const {release, has} = probeKernel()
say({kernel: release, missing: (Object.keys(kernelFeatures) as KernelFeature[]).filter((one) => !has[one])})
for (const object of process.argv.length > 2 ? process.argv.slice(2) : objects) {
  try {
    for (const one of verify(object)) say({object, ...one})
  } catch (thrown) {
    const {message, fields} = CiliumError.from(thrown)
    say({object, refused: message})
    console.log(JSON.stringify(fields).slice(-3000))
    process.exitCode = 1
  }
}
