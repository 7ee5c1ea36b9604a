import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {afterEach, beforeEach, describe, expect, test, vi} from 'vitest'
import {conflistText, foreignConfigs, newestVersion} from '../../../../src/agent/cni/conflist.ts'
import {ConflistWriter} from '../../../../src/agent/cni/conflist-writer.ts'
import {systemClock} from '../../../../src/runtime/clock.ts'
import {silentLog} from '../../../../src/runtime/log.ts'

test.each([
  ['containerd://1.6.20~ds1', '1.0.0'],
  ['containerd://1.7.2', '1.0.0'],
  ['containerd://2.1.4', '1.1.0'],
  ['containerd://v2.0.0-rc.1', '1.1.0'],
  ['containerd://1.4.3', '0.3.1'],
  ['cri-o://1.30.2', '1.0.0'],
  ['cri-o://1.31.0', '1.1.0'],
  ['docker://27.0.1', '0.3.1'],
  [undefined, '0.3.1'],
])('runtime %s gets version %s', (runtime, version) => {
  expect(newestVersion(runtime)).toBe(version)
})

test('the list has one plugin, and names the socket only when it is not the usual one', () => {
  const usual = JSON.parse(conflistText({version: '1.0.0', debug: false, logFile: '/l', socketPath: undefined}))
  const moved = JSON.parse(conflistText({version: '1.1.0', debug: true, logFile: '/l', socketPath: '/x/cni.sock'}))

  expect(usual).toEqual({
    cniVersion: '1.0.0',
    name: 'cilium',
    plugins: [{type: 'cilium-cni', 'enable-debug': false, 'log-file': '/l'}],
  })
  expect(moved.plugins[0]['agent-socket']).toBe('/x/cni.sock')
})

test('only files that runtimes read are foreign', () => {
  expect(
    foreignConfigs(['05-cilium.conflist', '10-x.conf', 'a.json', 'b.conf.cilium_bak', 'README'], '05-cilium.conflist'),
  ).toEqual(['10-x.conf', 'a.json'])
})

describe('the writer', () => {
  let folder: string
  let writer: ConflistWriter | undefined
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'conflist-'))
  })
  afterEach(async () => {
    await writer?.stop(false)
    await rm(folder, {recursive: true, force: true})
  })

  function start(exclusive: boolean, path = join(folder, '05-cilium.conflist')): ConflistWriter {
    writer = new ConflistWriter({path, text: () => 'ours\n', exclusive, clock: systemClock, log: silentLog})
    return writer
  }

  test('puts other networks aside, and again when they come back', async () => {
    await writeFile(join(folder, '10-other.conflist'), 'x')
    await start(true).start()
    expect((await readdir(folder)).sort()).toEqual(['05-cilium.conflist', '10-other.conflist.cilium_bak'])

    await writeFile(join(folder, '20-late.conf'), 'x')

    await vi.waitFor(async () => expect(await readdir(folder)).toContain('20-late.conf.cilium_bak'))
    expect(writer?.state).toEqual({ok: true, message: expect.stringContaining('successfully wrote')})
  })

  test('leaves other networks alone when not exclusive', async () => {
    await writeFile(join(folder, '10-other.conflist'), 'x')
    await start(false).start()

    expect((await readdir(folder)).sort()).toEqual(['05-cilium.conflist', '10-other.conflist'])
  })

  test('writes again what somebody else removed or changed', async () => {
    await start(true).start()
    await writeFile(join(folder, '05-cilium.conflist'), 'theirs')

    await vi.waitFor(async () => expect(await readFile(join(folder, '05-cilium.conflist'), 'utf8')).toBe('ours\n'))
    await rm(join(folder, '05-cilium.conflist'))
    await vi.waitFor(async () => expect(await readdir(folder)).toEqual(['05-cilium.conflist']))
  })

  test('a folder that cannot be written is a state with a code, not the end', async () => {
    await start(true, join(folder, 'missing', '05-cilium.conflist')).start()

    expect(writer?.state?.ok).toBe(false)
    expect(writer?.state?.message).toContain('CNI_CONF_FAILED')
  })

  test('removes its file on request', async () => {
    await start(true).start()
    await writer?.stop(true)

    expect(await readdir(folder)).toEqual([])
  })
})
