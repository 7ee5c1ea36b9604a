/**
 * The image for another processor than this machine's, its programs run under emulation. The whole image needs a base
 * that takes a quarter of an hour under emulation: CILIUM_TEST_ARM64=1 builds it, later runs find it.
 */
import {existsSync} from 'node:fs'
import {mkdir, mkdtemp, readdir, readFile, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {afterAll, beforeAll, describe, expect, test} from 'vitest'
import {buildCniShim} from '../../../scripts/build-cni.ts'
import {buildImage} from '../../../scripts/build-image.ts'
import {hostArchitecture} from '../../../scripts/image/architecture.ts'
import {isBaseCached} from '../../../scripts/image/base-layer.ts'
import {readRelease} from '../../../scripts/release.ts'

const elsewhere = hostArchitecture() === 'amd64'
const there = (program: string) => existsSync(`/usr/bin/${program}`)
const canCompile = elsewhere && there('aarch64-linux-gnu-gcc')
const canRun = there('qemu-aarch64-static')
const wholeWanted = canCompile && canRun && (isBaseCached('arm64') || process.env['CILIUM_TEST_ARM64'] === '1')
const elfMachineArm64 = 183

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'arm64-test-'))
})
afterAll(() => rm(folder, {recursive: true, force: true}))

const machineOf = async (file: string) => (await readFile(file)).readUInt16LE(18)

test('the plugin for nodes is a static program of that processor', async ({skip}) => {
  skip(!canCompile, 'needs gcc-aarch64-linux-gnu on a machine with another processor')
  const shim = await buildCniShim(`${folder}/cilium-cni`, 'arm64')

  expect(await machineOf(shim)).toBe(elfMachineArm64)
  if (!canRun) return
  const env = {CNI_COMMAND: 'VERSION'}
  const {stdout} = await execa('qemu-aarch64-static', [shim], {env, input: '{"cniVersion":"1.0.0"}'})
  expect(JSON.parse(stdout).supportedVersions).toContain('1.0.0')
})

if (!wholeWanted)
  test('the whole image', ({skip}) => skip('its base takes a quarter of an hour the first time: CILIUM_TEST_ARM64=1'))
else
  describe('the whole image', () => {
    const release = readRelease()
    const inRoot = async (...command: string[]) =>
      await execa('chroot', [`${folder}/root`, ...command], {reject: false})

    beforeAll(async () => {
      await buildImage({architecture: 'arm64', release, dist: `${folder}/dist`, say: () => {}})
      await mkdir(`${folder}/root`)
      await mkdir(`${folder}/archive`)
      await execa('tar', ['-xf', `${folder}/dist/image/cilium.tar`, '-C', `${folder}/archive`])
      const [manifest] = JSON.parse(await readFile(`${folder}/archive/manifest.json`, 'utf8')) as {Layers: string[]}[]
      for (const layer of manifest!.Layers)
        await execa('tar', ['-xzf', `${folder}/archive/${layer}`, '-C', `${folder}/root`])
    }, 1_800_000)

    test('says what it is for', async () => {
      const index = JSON.parse(await readFile(`${folder}/archive/index.json`, 'utf8'))

      expect(index.manifests[0].platform).toEqual({architecture: 'arm64', os: 'linux'})
    })

    test('has the programs for the kernel that every other has', async () => {
      const here = (await readdir('dist/bpf')).filter((name) => name.endsWith('.o')).sort()
      const shipped = `${folder}/root/usr/lib/cilium/bpf`

      expect((await readdir(shipped)).sort()).toEqual(here)
      for (const name of here)
        expect((await readFile(`${shipped}/${name}`)).equals(await readFile(`dist/bpf/${name}`)), name).toBe(true)
    })

    test.each(['cilium-agent', 'cilium-operator', 'hubble-relay'])('%s runs there', async (name) => {
      const {stdout, stderr} = await inRoot(`/usr/bin/${name}`, '--version')

      expect(stderr).toBe('')
      expect(stdout).toContain(release.version)
      expect(stdout).toContain('linux/arm64')
    })

    test('libbpf opens the objects there', async () => {
      const script = `
      const {default: koffi} = await import('/usr/lib/cilium/node_modules/koffi/index.js')
      const open = koffi.load('libbpf.so.1').func('void *bpf_object__open_file(const char *path, void *options)')
      console.log(open('/usr/lib/cilium/bpf/pod.o', null) !== null)`

      expect((await inRoot('/usr/bin/node', '--input-type=module', '-e', script)).stdout).toBe('true')
    })
  })
