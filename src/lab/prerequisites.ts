/** What a lab needs of the machine; says in one line what is missing, and installs what Debian has. */
import {existsSync, statfsSync} from 'node:fs'
import {delimiter, join} from 'node:path'
import {fail} from '../runtime/errors.ts'
import {type BinaryChoice, buildSteps} from './binaries.ts'
import {findCgroupMounts} from './cgroup.ts'
import {LAB_PREREQUISITE, LAB_VERSION_UNSUPPORTED} from './errors.ts'
import {versionProblem} from './go-module.ts'
import {labsFolder} from './paths.ts'
import type {LabCni} from './plan.ts'
import type {Step} from './steps.ts'
import {runTool, tail, tryTool} from './tool.ts'

/** Commands by the Debian package that has them. */
const packages: Readonly<Record<string, string>> = {
  containerd: 'containerd',
  ctr: 'containerd',
  runc: 'runc',
  etcd: 'etcd-server',
  etcdctl: 'etcd-client',
  ip: 'iproute2',
  ethtool: 'ethtool',
  nsenter: 'util-linux',
  unshare: 'util-linux',
  mount: 'mount',
}

const overlayfsMagic = 0x794c7630

export interface LabNeeds extends BinaryChoice {
  readonly cni: LabCni
  readonly families: readonly string[]
}

/** The checks that need nothing installed. @throws LAB_PREREQUISITE */
export function checkMachine(needs: Pick<LabNeeds, 'families'>): void {
  const missing = (what: string, advice: string): never => fail(LAB_PREREQUISITE, {missing: what, advice})
  if (process.platform !== 'linux')
    missing(`a lab needs Linux, this is ${process.platform}`, 'use a Linux machine or VM')
  if (process.getuid?.() !== 0) missing('a lab needs root: it makes namespaces and mounts', 'run it with sudo')
  findCgroupMounts()
  if (!existsSync('/sys/kernel/btf/vmlinux')) {
    missing(
      'the kernel has no BTF (/sys/kernel/btf/vmlinux)',
      'use a kernel built with CONFIG_DEBUG_INFO_BTF, 6.1 or newer',
    )
  }
  if (needs.families.includes('ipv6') && !existsSync('/proc/net/if_inet6')) {
    missing('the kernel has IPv6 switched off', 'boot without ipv6.disable=1, or give --ip-families ipv4')
  }
  if (statfsSync(existsSync(labsFolder) ? labsFolder : '/var/lib').type === overlayfsMagic) {
    missing(
      `${labsFolder} is on overlayfs, on which containerd cannot work`,
      `mount a volume or tmpfs at ${labsFolder}`,
    )
  }
}

/** Commands that are not there, with the packages that bring them. */
export function missingPackages(needs: LabNeeds, found: (command: string) => boolean = isInPath): readonly string[] {
  const wanted = Object.entries(packages)
    .filter(([command]) => !found(command))
    .map(([, name]) => name)
  if (buildSteps(needs).some((step) => step.title.startsWith('Build pause')) && !found('cc'))
    wanted.push('gcc', 'libc6-dev')
  if (needs.kubeProxy !== 'none' && !found('conntrack')) wanted.push('conntrack')
  if (needs.kubeProxy === 'iptables' && !found('iptables')) wanted.push('iptables', 'ipset')
  if (needs.kubeProxy === 'nftables' && !found('nft')) wanted.push('nftables')
  if (needs.cni === 'ptp' && !existsSync(join(cniPluginsFolder, 'ptp'))) wanted.push('containernetworking-plugins')
  return [...new Set(wanted)]
}

/** Where Debian puts the stock CNI plugins. */
export const cniPluginsFolder = '/usr/lib/cni'

export function prerequisiteSteps(needs: LabNeeds): readonly Step[] {
  return [
    {
      title: 'Check this machine',
      run: async () => {
        checkMachine(needs)
        if (buildSteps(needs).some((step) => /^Build (kube|coredns)/.test(step.title))) await checkGo()
      },
    },
    {
      title: 'Install Debian packages',
      skip: () => (missingPackages(needs).length === 0 ? 'all there' : undefined),
      run: async (say, signal) => install(missingPackages(needs), say, signal),
    },
    {title: 'Check versions', run: async () => checkVersions(needs.kubernetes)},
  ]
}

async function install(names: readonly string[], say: (text: string) => void, signal: AbortSignal): Promise<void> {
  const list = names.join(' ')
  if (!isInPath('apt-get')) {
    fail(LAB_PREREQUISITE, {
      missing: `not installed: ${list}`,
      advice: `install these, named as in Debian, and run again`,
    })
  }
  say(list)
  const env = {...process.env, DEBIAN_FRONTEND: 'noninteractive'}
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...names]
  if ((await tryTool('apt-get', install, {env, signal})).status === 0) return
  say('updating the package lists')
  await runTool('apt-get', ['update', '-qq'], {env, signal})
  const second = await tryTool('apt-get', install, {env, signal})
  if (second.status !== 0) {
    fail(LAB_PREREQUISITE, {
      missing: `apt-get could not install ${list}: ${tail(second.stderr)}`,
      advice: `install them by hand`,
    })
  }
}

/** @throws LAB_VERSION_UNSUPPORTED */
async function checkVersions(version: string): Promise<void> {
  const printed = (await runTool('containerd', ['--version'])).trim()
  const containerd = printed.split(' ')[2] ?? printed
  const problem = versionProblem(version, containerd)
  if (problem !== undefined) fail(LAB_VERSION_UNSUPPORTED, {version, ...problem})
}

/** Go fetches the toolchain that a module asks for by itself since 1.21. */
async function checkGo(): Promise<void> {
  const advice = 'install Go 1.21 or newer (https://go.dev/dl), or give ready binaries with --bin-dir'
  if (!isInPath('go')) fail(LAB_PREREQUISITE, {missing: 'Go is needed to build Kubernetes and is not in PATH', advice})
  const version = (await runTool('go', ['env', 'GOVERSION'])).trim()
  const minor = Number(/^go1\.(\d+)/.exec(version)?.[1] ?? Number.NaN)
  if (minor < 21) fail(LAB_PREREQUISITE, {missing: `${version} is too old to build Kubernetes`, advice})
}

function isInPath(command: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .some((folder) => folder !== '' && existsSync(join(folder, command)))
}
