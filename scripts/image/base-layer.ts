/**
 * The lowest layer: Debian with the tools that the agent, the original command line tools and the connectivity tests
 * execute in a container. Built by mmdebstrap once per list of packages, then taken from the cache.
 */
import {execFileSync} from 'node:child_process'
import {createHash} from 'node:crypto'
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {rm} from 'node:fs/promises'
import {getuid} from 'node:process'
import {execa} from 'execa'
import {fail} from '../../src/runtime/errors.ts'
import {type Architecture, architectures, hostArchitecture} from './architecture.ts'
import {IMAGE_BASE_FAILED, IMAGE_NEEDS_ROOT, IMAGE_TOOL_MISSING} from './errors.ts'
import {cachedLayer, cacheFolder, compressLayer, type Layer} from './layer.ts'

const suite = 'trixie'

/** What is executed in our containers beyond Debian's essential packages (sh, coreutils, grep, mawk, util-linux). */
export const basePackages = [
  'bind9-dnsutils', // dig, nslookup: connectivity tests
  'bpftool', // people who look at maps and programs
  'ca-certificates',
  'curl', // connectivity tests
  'iproute2', // ip, ss: connectivity tests and people
  'iputils-ping', // connectivity tests
  'jq', // the original command line tools pipe metrics through it
  'libbpf1', // the agent loads objects with it
  'mount', // init containers mount bpffs and cgroup2
  'netcat-openbsd', // connectivity tests
  'procps', // sysctl in init containers, ps for people
  'tcpdump', // connectivity tests that look for leaks
] as const

/** Files that say where and when the base was built, or that only apt and dpkg need again. */
const removed = [
  'etc/apt/sources.list',
  'etc/hostname',
  'etc/resolv.conf',
  'etc/machine-id',
  'var/cache/apt',
  'var/cache/debconf',
  'var/cache/ldconfig',
  'var/lib/apt',
  'var/lib/dpkg/*-old',
  'var/lib/dpkg/info/*.symbols',
  'usr/share/perl5',
  'var/log/*',
]

const excluded = ['doc', 'info', 'locale', 'man', 'bash-completion', 'lintian'].map(
  (folder) => `path-exclude=/usr/share/${folder}/*`,
)

/** Takes the base layer from the cache, or builds it: root, mmdebstrap and a Debian mirror are needed for that. */
export async function baseLayer(architecture: Architecture, onProgress: (line: string) => void): Promise<Layer> {
  const {debian} = architectures[architecture]
  const key = cacheKey(architecture)
  return cachedLayer(key, async (folder) => {
    if (getuid?.() !== 0) fail(IMAGE_NEEDS_ROOT)
    const foreign = architecture !== hostArchitecture()
    const time = foreign ? 'a quarter of an hour under emulation' : 'about a minute'
    onProgress(`building the Debian ${suite} base once (${time}, cached as ${key})`)
    const output = `${folder}/layer.tar`
    if (foreign) enableForeign(architecture)
    try {
      // a mount namespace of its own: what it has mounted ends with it, also when it is killed
      await execa('unshare', ['--mount', 'mmdebstrap', ...options(debian), suite, output, ...sources()], {
        env: {SOURCE_DATE_EPOCH: '0'},
        stdin: 'ignore',
      })
    } catch (thrown) {
      await rm(output, {force: true})
      const error = thrown as {exitCode?: number; stderr?: string; shortMessage?: string}
      // unshare's answer when what it is to execute is not there
      if (error.exitCode === 127) fail(IMAGE_TOOL_MISSING, {tool: 'mmdebstrap', debianPackage: 'mmdebstrap'})
      const lines = (error.stderr ?? '').split('\n').filter((line) => /^E:|error/i.test(line))
      fail(IMAGE_BASE_FAILED, {detail: lines[0] ?? error.shortMessage}, {cause: thrown})
    }
    return compressLayer(output)
  })
}

export function isBaseCached(architecture: Architecture): boolean {
  return existsSync(`${cacheFolder}/${cacheKey(architecture)}/layer.json`)
}

/** Says all that the layer depends on. */
function cacheKey(architecture: Architecture): string {
  const {debian} = architectures[architecture]
  const recipe = JSON.stringify({format: 2, suite, debian, basePackages, removed, excluded})
  return `base-${debian}-${createHash('sha256').update(recipe).digest('hex').slice(0, 16)}`
}

/**
 * Lets this kernel run programs of another architecture, so that packages can be configured: what
 * /usr/lib/binfmt.d says, where no systemd reads it.
 */
function enableForeign(architecture: Architecture): void {
  const name = `qemu-${architectures[architecture].qemu}`
  const folder = '/proc/sys/fs/binfmt_misc'
  if (!existsSync(`${folder}/register`)) execFileSync('mount', ['-t', 'binfmt_misc', 'binfmt_misc', folder])
  if (existsSync(`${folder}/${name}`)) return
  const recipe = `/usr/lib/binfmt.d/${name}.conf`
  if (!existsSync(recipe)) fail(IMAGE_TOOL_MISSING, {tool: name, debianPackage: 'qemu-user-static'})
  writeFileSync(`${folder}/register`, readFileSync(recipe, 'utf8').trim())
}

function options(debian: string): string[] {
  return [
    '--variant=essential',
    `--architectures=${debian}`,
    `--include=${basePackages.join(',')}`,
    '--skip=output/dev', // the runtime makes /dev
    ...excluded.map((option) => `--dpkgopt=${option}`),
    '--dpkgopt=path-include=/usr/share/doc/*/copyright',
    `--customize-hook=cd "$1" && rm -rf ${removed.join(' ')} && mkdir -p opt/cni/bin var/lib/cilium`,
  ]
}

/** The machine's own Debian mirror where it has one; mmdebstrap's default otherwise. */
function sources(): string[] {
  const mirror = process.env['DEBIAN_MIRROR'] ?? machineMirror(/^https?:\/\/\S+\/debian\/?$/)
  if (mirror === undefined) return []
  const security = machineMirror(/^https?:\/\/\S+\/debian-security\/?$/)
  return [
    `deb ${mirror} ${suite} main`,
    ...(security === undefined || process.env['DEBIAN_MIRROR'] !== undefined
      ? []
      : [`deb ${security} ${suite}-security main`]),
  ]
}

function machineMirror(pattern: RegExp): string | undefined {
  const folder = '/etc/apt/sources.list.d'
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((f) => `${folder}/${f}`) : []),
  ]
  for (const file of files.filter((file) => existsSync(file))) {
    const words = readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .flatMap((line) => line.split(/\s+/))
    const found = words.find((word) => pattern.test(word))
    if (found !== undefined) return found
  }
  return undefined
}
