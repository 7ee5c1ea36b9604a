/**
 * Names in package-lock.json every optional package of a locked one, also those of other platforms. npm leaves out
 * the ones that its registry does not have, and then `npm ci` refuses the file that npm itself wrote, there and
 * wherever the registry does have them. Checks; with --write, completes the file.
 */
import {readFileSync, writeFileSync} from 'node:fs'

interface Locked {
  version?: string
  dev?: boolean
  license?: string
  engines?: Record<string, string>
  optionalDependencies?: Record<string, string>
  [other: string]: unknown
}

const systems = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const processors = ['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'x64']
const file = 'package-lock.json'
const lock = JSON.parse(readFileSync(file, 'utf8')) as {packages: Record<string, Locked>}

const isLocked = (name: string, from: string): boolean => {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (lock.packages[at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`] !== undefined) return true
    if (at === '') return false
  }
}

const missing = new Map<string, Locked>()
const strange: string[] = []
for (const [at, locked] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(locked.optionalDependencies ?? {})) {
    if (at === '' || isLocked(name, at)) continue
    const words = name.split(/[/-]/)
    const os = systems.find((system) => words.includes(system))
    const cpu = processors.find((processor) => words.includes(processor))
    // only an exact version of a package that says its platform can be written down without having seen it
    if (os === undefined || cpu === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
      strange.push(`${name}@${version}, of ${at}`)
      continue
    }
    const libc = words.some((word) => word.startsWith('musl'))
      ? 'musl'
      : words.some((w) => w.startsWith('gnu')) && 'glibc'
    missing.set(`node_modules/${name}`, {
      version,
      cpu: [cpu],
      ...(locked.dev === true ? {dev: true} : {}),
      ...(os === 'linux' && libc ? {libc: [libc]} : {}),
      ...(locked.license === undefined ? {} : {license: locked.license}),
      optional: true,
      os: [os],
      ...(locked.engines === undefined ? {} : {engines: locked.engines}),
    })
  }
}

if (strange.length > 0) {
  process.stderr.write(`${file} lacks ${strange.join('; ')}\n`)
  process.exit(1)
}
if (missing.size > 0 && !process.argv.includes('--write')) {
  process.stderr.write(`${file} lacks ${[...missing.keys()].join(', ')}\n  try: node scripts/lockfile.ts --write\n`)
  process.exit(1)
}
if (missing.size > 0) {
  const {'': root, ...others} = {...lock.packages, ...Object.fromEntries(missing)}
  const sorted = Object.entries(others).sort(([a], [b]) => a.localeCompare(b, 'en'))
  writeFileSync(file, `${JSON.stringify({...lock, packages: {'': root, ...Object.fromEntries(sorted)}}, null, 2)}\n`)
}
