/**
 * A machine in an emulator, with another kernel and this machine's own files: the root is read over 9p and written to
 * memory, so that whatever runs here runs there, as it is.
 */
import {execFileSync, spawn} from 'node:child_process'
import {copyFileSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {createInterface} from 'node:readline'
import {fail} from '../../src/runtime/errors.ts'
import {type DebianKernel, modulesFor} from './debian-kernel.ts'
import {KERNEL_DID_NOT_END, KERNEL_TOOL_MISSING} from './errors.ts'

/** For the root file system, in the first minute. */
const rootModules = ['virtio_pci', '9pnet_virtio', '9p', 'overlay']
/** What agents and their tests use; a kernel on a node loads them when they are asked for. */
const networkModules = [
  'veth',
  'vxlan',
  'dummy',
  'bridge',
  'tun',
  'cls_bpf',
  'sch_ingress',
  'nf_defrag_ipv4',
  'nf_defrag_ipv6',
]
const moreModules = ['inet_diag', 'tcp_diag', 'udp_diag', 'raw_diag', 'unix_diag', 'netlink_diag', 'af_packet']

export interface GuestOptions {
  readonly kernel: DebianKernel
  /** shell commands, run in `folder` */
  readonly script: string
  readonly folder: string
  readonly environment: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly onLine: (line: string) => void
}

/**
 * Boots, runs the script, and powers off.
 *
 * @returns the script's exit code
 * @throws KERNEL_TOOL_MISSING, KERNEL_DID_NOT_END
 */
export async function runInGuest(options: GuestOptions): Promise<number> {
  const {kernel, timeoutMs, onLine} = options
  const work = mkdtempSync(join(tmpdir(), 'cilium-guest-'))
  try {
    const initrd = makeInitrd(work, options)
    const machine = [
      ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', '3072', '-nographic', '-no-reboot'],
      ...['-kernel', kernel.image, '-initrd', initrd],
      ...['-append', 'console=ttyS0 quiet panic=1 random.trust_cpu=on mitigations=off'],
      ...['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
      ...['-nic', 'none'],
    ]
    const child = spawn(tool('qemu-system-x86_64'), machine, {stdio: ['ignore', 'pipe', 'inherit']})
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    let code: number | undefined
    let last = ''
    for await (const text of createInterface({input: child.stdout})) {
      const line = text.replace(/\r/g, '')
      last = line.trim() || last
      const ended = /^guest-exit (\d+)$/.exec(line.trim())
      if (ended) code = Number(ended[1])
      else onLine(line)
    }
    clearTimeout(timer)
    const minutes = Math.round(timeoutMs / 60_000)
    return code ?? fail(KERNEL_DID_NOT_END, {release: kernel.release, minutes, last: last.slice(0, 200)})
  } finally {
    rmSync(work, {recursive: true, force: true})
  }
}

function tool(name: string): string {
  const folders = (process.env['PATH'] ?? '').split(':').concat('/usr/sbin', '/sbin')
  const found = folders.map((folder) => join(folder, name)).find(existsSync)
  return found === undefined ? fail(KERNEL_TOOL_MISSING, {tool: name}) : realpathSync(found)
}

function makeInitrd(work: string, {kernel, script, folder, environment}: GuestOptions): string {
  const root = join(work, 'root')
  for (const path of ['bin', 'proc', 'sys', 'dev', 'host', 'upper', 'new', 'modules'])
    mkdirSync(join(root, path), {recursive: true})
  copyFileSync(tool('busybox'), join(root, 'bin/busybox'))
  const all = modulesFor(kernel, [...rootModules, ...networkModules, ...moreModules])
  let number = 0
  for (const [name, bytes] of all)
    writeFileSync(join(root, 'modules', `${String(number++).padStart(3, '0')}-${name}.ko`), bytes)
  const exports = Object.entries(environment).map(([name, value]) => `export ${name}='${value}'`)
  writeFileSync(join(root, 'script'), `${exports.join('\n')}\ncd '${folder}'\n${script}\n`)
  writeFileSync(join(root, 'init'), init, {mode: 0o755})
  const files = execFileSync('find', ['.'], {cwd: root})
  const archive = execFileSync(tool('cpio'), ['-o', '-H', 'newc', '--quiet'], {
    cwd: root,
    input: files,
    maxBuffer: 1 << 29,
  })
  const path = join(work, 'initrd')
  writeFileSync(path, archive)
  return path
}

const init = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*; do /bin/busybox insmod $module || echo "module $module not loaded"; done
/bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host /host || echo "no root"
/bin/busybox mount -t tmpfs -o size=1500m upper /upper
/bin/busybox mkdir /upper/top /upper/work
/bin/busybox mount -t overlay -o lowerdir=/host,upperdir=/upper/top,workdir=/upper/work root /new || echo "no overlay"
for folder in proc sys dev; do /bin/busybox mount --move /$folder /new/$folder; done
/bin/busybox mount -t tmpfs run /new/run
/bin/busybox mkdir -p /new/run/netns /new/dev/shm /new/dev/pts
/bin/busybox mount -t tmpfs shm /new/dev/shm
/bin/busybox mount -t devpts pts /new/dev/pts
/bin/busybox mount -t bpf bpf /new/sys/fs/bpf
/bin/busybox mount -t cgroup2 cgroup /new/sys/fs/cgroup
/bin/busybox ip link set lo up
/bin/busybox hostname guest
/bin/busybox cp /script /new/run/script
/bin/busybox chroot /new /bin/sh /run/script
code=$?
echo
echo "guest-exit $code"
/bin/busybox poweroff -f
`
