/** Builds bpf/cni into one static program that runs on any Linux node: `node scripts/build-cni.ts [output file]`. */
import {mkdir, rename} from 'node:fs/promises'
import {dirname} from 'node:path'
import {execa} from 'execa'
import {type Architecture, architectures, hostArchitecture} from './image/architecture.ts'

const source = new URL('../bpf/cni/cilium-cni.c', import.meta.url).pathname

/**
 * Compiles the CNI shim. A libc meant for static programs first (70 kB); glibc does too (700 kB), the shim looks up no
 * names.
 *
 * @returns the output path
 * @throws when no C compiler is found or it fails; its own message is kept
 */
export async function buildCniShim(output: string, architecture = hostArchitecture()): Promise<string> {
  await mkdir(dirname(output), {recursive: true})
  const flags = ['-static', '-Os', '-s', '-Wall', '-Wextra', '-Werror']
  let missing: unknown
  for (const compiler of compilersFor(architecture)) {
    try {
      await execa(compiler, [...flags, '-o', `${output}.new`, source])
      await rename(`${output}.new`, output)
      return output
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown
      missing = thrown
    }
  }
  const hint = architecture === hostArchitecture() ? 'gcc (or musl-tools)' : 'gcc-aarch64-linux-gnu'
  throw new Error(`no C compiler for ${architecture}: install ${hint}`, {cause: missing})
}

/** The plain names only where they mean this architecture. */
function compilersFor(architecture: Architecture): readonly string[] {
  const {compilers} = architectures[architecture]
  return architecture === hostArchitecture()
    ? [...compilers, 'gcc', 'clang']
    : compilers.filter((one) => one.includes('-linux-'))
}

if (import.meta.filename === process.argv[1]) {
  console.log(await buildCniShim(process.argv[2] ?? new URL('../dist/cni/cilium-cni', import.meta.url).pathname))
}
