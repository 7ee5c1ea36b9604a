/**
 * Loads every eBPF object, with the extremes of its configuration, on another kernel than this machine's: boots it in an
 * emulator and asks its verifier. For kernels that nodes may run and developers do not.
 *
 *     apt-get download linux-image-6.1.0-56-amd64 && dpkg-deb -x linux-image-*.deb kernel
 *     node scripts/verify-on-kernel.ts kernel/boot/vmlinuz-6.1.0-56-amd64
 *
 * Needs qemu-system-x86, busybox-static, bpftool and cpio.
 */
import {execFileSync, spawnSync} from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import {tmpdir} from 'node:os'
import {basename, dirname, join, resolve} from 'node:path'
import {type Config, configCodec, configZero} from '../src/datapath/gen/types.ts'
import {readElf} from '../src/kernel/elf.ts'
import {CiliumError, declareErrors, fail} from '../src/runtime/errors.ts'
import {exitCodes} from '../src/runtime/exit-codes.ts'
import {buildBpf} from './build-bpf.ts'

const codes = declareErrors({
  VERIFY_TOOL_MISSING: {
    what: '{tool} is not installed',
    advice: 'apt-get install qemu-system-x86 busybox-static bpftool cpio',
  },
  VERIFY_KERNEL_MISSING: {what: 'no kernel image at {path}', advice: 'give the path of a vmlinuz file'},
  VERIFY_NOT_ACCEPTED: {what: 'the kernel refused {count} objects', advice: 'see the end of the verifier log above'},
})

const root = resolve(import.meta.dirname, '..')
const timeoutMs = 900_000

/** Numbers that every configuration has; switches are set by the extremes. */
const base: Config = {
  ...configZero,
  flowShards: 64,
  natPortMin: 32768,
  natPortMax: 65535,
  nodeportMin: 30000,
  nodeportMax: 32767,
  fragmentS: 30,
  timerIntervalMs: 100,
  podMtu: 1450,
  eventRings: 2,
  tunnelPort: 8472,
}
/** Whatever is 0 unless somebody turns it on. Numbers among them may be 1 as well. */
const switches = Object.entries(configZero).flatMap(([name, value]) =>
  value === 0 && !(name in notSwitches()) ? [name] : [],
)
const extremes: Readonly<Record<string, Config>> = {
  everything: {...base, ...Object.fromEntries(switches.map((name) => [name, 1])), monitorLevel: 0, monitorFlags: 255},
  families: {...base, enableIpv4: 1, enableIpv6: 1},
  production: {...base, ...Object.fromEntries(switches.map((name) => [name, 1])), test: 0, monitorLevel: 3},
}

function notSwitches(): Record<string, unknown> {
  return {
    ...Object.fromEntries(Object.entries(base).filter(([, value]) => value !== 0)),
    generation: 0,
    hostIfindex: 0,
    overlayIfindex: 0,
  }
}

function tool(name: string): string {
  const found = (process.env['PATH'] ?? '')
    .split(':')
    .concat('/usr/sbin', '/sbin')
    .map((folder) => join(folder, name))
    .find(existsSync)
  return found ? realpathSync(found) : fail(codes.VERIFY_TOOL_MISSING, {tool: name})
}

/** The object with its configuration written into .rodata: bpftool knows of none. */
function configured(path: string, config: Config): Buffer {
  const file = readFileSync(path)
  const symbol = readElf(file).symbol('cfg')
  if (!symbol) return file
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const [headers, size, count, names] = [
    Number(view.getBigUint64(40, true)),
    view.getUint16(58, true),
    view.getUint16(60, true),
    view.getUint16(62, true),
  ]
  const offsetOf = (section: number) => Number(view.getBigUint64(headers + section * size + 24, true))
  for (let section = 0; section < count; section++) {
    const at = offsetOf(names) + view.getUint32(headers + section * size, true)
    if (file.toString('latin1', at, file.indexOf(0, at)) !== symbol.section) continue
    configCodec.encode(config, view, offsetOf(section) + symbol.offset)
  }
  return file
}

/** A root file system that loads what lies in / and says how it went. */
function makeRoot(folder: string): void {
  for (const path of ['bin', 'proc', 'sys']) mkdirSync(join(folder, path), {recursive: true})
  copyFileSync(tool('busybox'), join(folder, 'bin/busybox'))
  const bpftool = tool('bpftool')
  copyFileSync(bpftool, join(folder, 'bin/bpftool'))
  for (const library of execFileSync('ldd', [bpftool], {encoding: 'utf8'}).match(/\/\S+/g) ?? []) {
    mkdirSync(join(folder, dirname(library)), {recursive: true})
    copyFileSync(library, join(folder, library))
  }
  const script = [
    '#!/bin/busybox sh',
    '/bin/busybox mount -t proc proc /proc; /bin/busybox mount -t sysfs sys /sys; /bin/busybox mount -t bpf bpf /sys/fs/bpf',
    'echo "kernel $(/bin/busybox uname -r)"',
    'for object in /*.o; do name=$(/bin/busybox basename $object .o)',
    'if /bin/bpftool prog loadall $object /sys/fs/bpf/$name >/log 2>&1; then echo "accepted $name"',
    'else echo "refused $name"; /bin/busybox tail -n 14 /log; fi; done',
    'echo finished; /bin/busybox poweroff -f',
  ]
  writeFileSync(join(folder, 'init'), `${script.join('\n')}\n`, {mode: 0o755})
}

async function main(kernel: string): Promise<void> {
  if (!existsSync(kernel)) fail(codes.VERIFY_KERNEL_MISSING, {path: kernel})
  const [qemu, cpio] = [tool('qemu-system-x86_64'), tool('cpio')]
  const objects = await buildBpf({from: join(root, 'bpf'), to: join(root, 'dist/bpf')})
  const work = mkdtempSync(join(tmpdir(), 'verify-'))
  try {
    const folder = join(work, 'root')
    makeRoot(folder)
    for (const {object} of objects) {
      const name = basename(object, '.o')
      if (name === 'abi') continue
      for (const [extreme, config] of Object.entries(extremes))
        writeFileSync(join(folder, `${name}-${extreme}.o`), configured(object, config))
    }
    const files = execFileSync('find', ['.'], {cwd: folder})
    const archive = execFileSync(cpio, ['-o', '-H', 'newc', '--quiet'], {cwd: folder, input: files, maxBuffer: 1 << 28})
    writeFileSync(join(work, 'initrd'), archive)
    const machine = [
      '-m',
      '2048',
      '-nographic',
      '-no-reboot',
      '-kernel',
      kernel,
      '-initrd',
      join(work, 'initrd'),
      '-append',
      'console=ttyS0 quiet panic=1',
    ]
    const {stdout} = spawnSync(qemu, machine, {encoding: 'latin1', timeout: timeoutMs, maxBuffer: 1 << 28})
    const text = stdout.slice(stdout.indexOf('kernel '))
    process.stdout.write(text)
    const refused = text.match(/^refused /gm)?.length ?? 0
    if (refused > 0 || !text.includes('finished'))
      fail(codes.VERIFY_NOT_ACCEPTED, {count: refused || readdirSync(folder).length})
  } finally {
    rmSync(work, {recursive: true, force: true})
  }
}

try {
  await main(process.argv[2] ?? '')
} catch (thrown) {
  const error = CiliumError.from(thrown)
  console.error(`error ${error.code}  ${error.message}\n  try: ${error.advice}`)
  process.exitCode = exitCodes.failed
}
