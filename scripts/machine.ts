/** What this machine must have before anything is built or started: checked by trying, said in one line each. */
import {existsSync, statfsSync} from 'node:fs'
import {execa} from 'execa'
import {declareErrors, fail} from '../src/runtime/errors.ts'

const codes = declareErrors({
  MACHINE_NOT_ROOT: {what: 'this needs root (network namespaces, BPF, mounts)', advice: 'run it again with sudo'},
  MACHINE_NO_BPF: {
    what: 'the kernel refuses BPF: {detail}',
    advice: 'use a kernel >= 6.1 with CONFIG_BPF_SYSCALL, and not an unprivileged container',
  },
  MACHINE_NO_BTF: {what: '/sys/kernel/btf/vmlinux is missing', advice: 'use a kernel built with CONFIG_DEBUG_INFO_BTF'},
  MACHINE_NO_GO: {
    what: 'Go >= 1.24 is not installed ({found}); Kubernetes is built from its modules once',
    advice: 'install Go, or give ready binaries: cilium lab up --bin-dir DIR',
  },
  MACHINE_NO_APT: {
    what: 'missing programs: {programs}, and there is no apt-get to install them',
    advice: 'install them with your package manager',
  },
  MACHINE_APT_FAILED: {
    what: 'apt-get could not install {packages}: {detail}',
    advice: 'run apt-get update, check the package sources, and run this again',
  },
  MACHINE_DISK_FULL: {what: 'only {free} GiB free here, {need} GiB are needed', advice: 'free some space'},
})

/** Programs that the build and the lab call, and the Debian package each comes in. */
const programs = {
  clang: 'clang',
  'llvm-strip': 'llvm',
  'clang-format': 'clang-format',
  gcc: 'gcc',
  bpftool: 'bpftool',
  ip: 'iproute2',
  nsenter: 'util-linux',
  ethtool: 'ethtool',
  tcpdump: 'tcpdump',
  containerd: 'containerd',
  runc: 'runc',
  etcd: 'etcd-server',
  mmdebstrap: 'mmdebstrap',
  iperf3: 'iperf3',
  jq: 'jq',
  chromium: 'chromium',
} as const

/** Headers and libraries, by a file that shows they are there. */
const files = {
  '/usr/include/bpf/bpf_helpers.h': 'libbpf-dev',
  '/usr/lib/x86_64-linux-gnu/libbpf.so.1': 'libbpf1',
  '/usr/include/x86_64-linux-gnu/sys/socket.h': 'libc6-dev',
} as const

/** @throws MACHINE_NOT_ROOT, MACHINE_NO_BPF, MACHINE_NO_BTF, MACHINE_DISK_FULL */
export async function checkKernel(): Promise<string> {
  if (process.getuid?.() !== 0) fail(codes.MACHINE_NOT_ROOT)
  if (!existsSync('/sys/kernel/btf/vmlinux')) fail(codes.MACHINE_NO_BTF)
  const probe = await execa('bpftool', ['prog', 'list'], {reject: false})
  if (probe.exitCode !== 0) fail(codes.MACHINE_NO_BPF, {detail: probe.stderr.trim().split('\n')[0] ?? ''})
  const disk = statfsSync('.')
  const freeGib = Math.floor((disk.bavail * disk.bsize) / 2 ** 30)
  if (freeGib < 8) fail(codes.MACHINE_DISK_FULL, {free: freeGib, need: 8})
  const {stdout} = await execa('uname', ['-r'])
  return `kernel ${stdout}, BPF with BTF, ${freeGib} GiB free`
}

/** Installs what is missing. @throws MACHINE_NO_APT, MACHINE_APT_FAILED, MACHINE_NOT_ROOT */
export async function installPackages(onLine: (line: string) => void): Promise<string> {
  if (process.getuid?.() !== 0) fail(codes.MACHINE_NOT_ROOT)
  const missing = new Set<string>()
  for (const [program, debianPackage] of Object.entries(programs)) {
    const found = await execa('sh', ['-c', `command -v ${program}`], {reject: false})
    if (found.exitCode !== 0) missing.add(debianPackage)
  }
  for (const [file, debianPackage] of Object.entries(files)) {
    if (!existsSync(file) && !existsSync(file.replace('x86_64', 'aarch64'))) missing.add(debianPackage)
  }
  if (missing.size === 0) return 'all there'

  const list = [...missing]
  const apt = await execa('sh', ['-c', 'command -v apt-get'], {reject: false})
  if (apt.exitCode !== 0) fail(codes.MACHINE_NO_APT, {programs: list.join(' ')})
  const env = {DEBIAN_FRONTEND: 'noninteractive'}
  onLine('apt-get update')
  await execa('apt-get', ['update', '-qq'], {env, reject: false})
  onLine(`apt-get install ${list.join(' ')}`)
  const installed = await execa('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...list], {
    env,
    reject: false,
  })
  if (installed.exitCode !== 0) {
    fail(codes.MACHINE_APT_FAILED, {packages: list.join(' '), detail: installed.stderr.trim().split('\n').at(-1) ?? ''})
  }
  return `installed ${list.join(' ')}`
}

/** @throws MACHINE_NO_GO */
export async function checkGo(): Promise<string> {
  const go = await execa('go', ['env', 'GOVERSION'], {reject: false})
  const found = go.exitCode === 0 ? go.stdout.trim() : 'none found'
  const [, major = '0', minor = '0'] = /go(\d+)\.(\d+)/.exec(found) ?? []
  if (Number(major) < 1 || (Number(major) === 1 && Number(minor) < 24)) fail(codes.MACHINE_NO_GO, {found})
  return found
}
