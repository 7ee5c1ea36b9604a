/** Images with one static program in them, as docker archives (what `ctr image import` and `docker load` read). */
import {createHash} from 'node:crypto'
import {copyFileSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {arch} from 'node:os'
import {dirname, join} from 'node:path'
import {create} from 'tar'

export interface ProgramImage {
  /** with its tag */
  readonly name: string
  /** a static executable on this machine */
  readonly program: string
  /** its name in the image's root folder, which is also the entry point */
  readonly entry: string
}

/** Writes the archive. Equal inputs give equal layers. */
export async function writeProgramImage(image: ProgramImage, file: string): Promise<void> {
  mkdirSync(dirname(file), {recursive: true})
  const folder = mkdtempSync(`${file}.`)
  try {
    mkdirSync(join(folder, 'root'))
    copyFileSync(image.program, join(folder, 'root', image.entry))
    const epoch = new Date(0)
    await create({cwd: join(folder, 'root'), file: join(folder, 'layer.tar'), portable: true, mtime: epoch}, [
      image.entry,
    ])
    const layer = sha256(readFileSync(join(folder, 'layer.tar')))
    const config = JSON.stringify({
      architecture: arch() === 'x64' ? 'amd64' : arch(),
      os: 'linux',
      created: epoch.toISOString(),
      config: {Entrypoint: [`/${image.entry}`], WorkingDir: '/'},
      rootfs: {type: 'layers', diff_ids: [`sha256:${layer}`]},
      history: [{created: epoch.toISOString(), created_by: 'cilium lab'}],
    })
    const configFile = `${sha256(Buffer.from(config))}.json`
    const manifest = [{Config: configFile, RepoTags: [image.name], Layers: ['layer.tar']}]
    writeFileSync(join(folder, configFile), config)
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify(manifest))
    await create({cwd: folder, file: `${file}.new`, portable: true, mtime: epoch}, [
      'manifest.json',
      configFile,
      'layer.tar',
    ])
    renameSync(`${file}.new`, file)
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
