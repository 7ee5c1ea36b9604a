/** docs/reference/kernels.md from what scripts/test-kernels.ts has seen. */

export interface ProgramReport {
  readonly object: string
  readonly program?: string
  readonly instructions?: number
  /** the configuration with which it has so many */
  readonly with?: string
}

export interface KernelReport {
  readonly suite: string
  readonly release: string
  readonly programs: readonly ProgramReport[]
  /** features that the probe did not find */
  readonly missing: readonly string[]
  /** by stage: it was run, and passed */
  readonly passed: Readonly<Record<string, boolean | undefined>>
  /** by stage: how many tests passed */
  readonly tests?: Readonly<Record<string, number | undefined>>
}

const stageNames = {verifier: 'every object, every extreme', packets: 'packet tests', nodes: 'two nodes talk'} as const
const limit = 1_000_000

export function kernelsPage(kernels: readonly KernelReport[]): string {
  const header = (cells: readonly string[], numbers: boolean) =>
    `| ${cells.join(' | ')} |\n|${cells.map((_, i) => (numbers && i > 1 ? '--:' : '---')).join('|')}|`
  const names = [
    ...new Map(kernels.flatMap(({programs}) => programs.map((one) => [`${one.object} ${one.program}`, one]))).values(),
  ]
  const cell = (kernel: KernelReport, {object, program}: ProgramReport): string => {
    const found = kernel.programs.find((one) => one.object === object && one.program === program)
    if (found?.instructions === undefined) return '–'
    return `${found.instructions.toLocaleString('en').replaceAll(',', ' ')} (${((100 * found.instructions) / limit).toFixed(1)} %)`
  }
  const seen = ({passed, tests}: KernelReport, stage: string) => {
    if (passed[stage] !== true) return 'not yet run'
    return tests?.[stage] === undefined ? 'yes' : `yes (${tests[stage]})`
  }
  return `<!-- Written by npm run test:kernels. Do not edit. -->

# Kernels

Tried on the kernels of Debian's releases, each in an emulator. 6.1 is the oldest that is promised.

${header(['kernel', ...Object.values(stageNames), 'features that it lacks'], false)}
${kernels
  .map(
    (one) =>
      `| ${one.release} (${one.suite}) | ${Object.keys(stageNames)
        .map((stage) => seen(one, stage))
        .join(' | ')} | ${one.missing.join(', ') || 'none'} |`,
  )
  .join('\n')}

What a node's kernel lacks is in \`cilium preflight\` and \`cilium status --verbose\`.

## Instructions that the verifier looks at

The most of all extremes of the configuration, and its share of what the kernel allows. More than 80 % fails the build.

${header(['object', 'program', ...kernels.map(({release}) => release)], true)}
${names.map((one) => `| ${one.object} | \`${one.program}\` | ${kernels.map((kernel) => cell(kernel, one)).join(' | ')} |`).join('\n')}
`
}
