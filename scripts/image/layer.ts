import {createHash, type Hash} from 'node:crypto'
import {createReadStream, createWriteStream, existsSync} from 'node:fs'
import {mkdir, readFile, rename, rm, stat, writeFile} from 'node:fs/promises'
import {homedir} from 'node:os'
import {pipeline} from 'node:stream/promises'
import {createGzip} from 'node:zlib'

/** A file-system layer: a tar, compressed with gzip because every importer of every age reads that. */
export interface Layer {
  readonly file: string
  /** `sha256:…` of the compressed file */
  readonly digest: string
  /** bytes of the compressed file */
  readonly size: number
  /** `sha256:…` of the tar inside */
  readonly diffId: string
}

/** Where layers that rarely change are kept between builds. */
export const cacheFolder = `${process.env['XDG_CACHE_HOME'] ?? `${homedir()}/.cache`}/cilium-image`

/**
 * Compresses a tar into a layer beside it, and removes the tar.
 *
 * @param tar ends in .tar
 */
export async function compressLayer(tar: string): Promise<Layer> {
  const inside = createHash('sha256')
  const outside = createHash('sha256')
  const file = `${tar}.gz`
  await pipeline(
    createReadStream(tar, {highWaterMark: 1 << 20}),
    hashing(inside),
    createGzip({level: 6, chunkSize: 1 << 18}),
    hashing(outside),
    createWriteStream(file),
  )
  await rm(tar)
  const name = (hash: Hash) => `sha256:${hash.digest('hex')}`
  return {file, digest: name(outside), size: (await stat(file)).size, diffId: name(inside)}
}

function hashing(hash: Hash) {
  return async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      hash.update(chunk)
      yield chunk
    }
  }
}

/**
 * A layer from the cache, or from `make`, which writes into the folder it is given. A build that is interrupted leaves
 * nothing that a later one would take for complete: the folder gets its name when the layer is whole.
 */
export async function cachedLayer(key: string, make: (folder: string) => Promise<Layer>): Promise<Layer> {
  const folder = `${cacheFolder}/${key}`
  if (existsSync(`${folder}/layer.json`)) {
    return JSON.parse(await readFile(`${folder}/layer.json`, 'utf8')) as Layer
  }
  const scratch = `${folder}.${process.pid}`
  await mkdir(scratch, {recursive: true})
  try {
    const made = await make(scratch)
    const layer: Layer = {...made, file: made.file.replace(scratch, folder)}
    await writeFile(`${scratch}/layer.json`, `${JSON.stringify(layer)}\n`)
    await rm(folder, {recursive: true, force: true})
    await rename(scratch, folder)
    return layer
  } finally {
    await rm(scratch, {recursive: true, force: true})
  }
}
