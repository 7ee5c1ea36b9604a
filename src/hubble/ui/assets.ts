/** The files of the page, in memory: few, small, packed once. */
import {createHash} from 'node:crypto'
import {readdirSync, readFileSync} from 'node:fs'
import {extname, join} from 'node:path'
import {gzipSync} from 'node:zlib'
import {fail} from '../../runtime/errors.ts'
import {UI_ASSETS_MISSING} from './errors.ts'

export interface Asset {
  readonly type: string
  readonly plain: Buffer
  readonly packed: Buffer
  readonly tag: string
}

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** By path below the base address; `` is the page. @throws UI_ASSETS_MISSING */
export function loadAssets(folder: string, baseUrl: string): ReadonlyMap<string, Asset> {
  const assets = new Map<string, Asset>()
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch (thrown) {
    return fail(UI_ASSETS_MISSING, {folder}, {cause: thrown})
  }
  for (const name of names) {
    const type = types[extname(name)]
    if (type === undefined) continue
    let plain = readFileSync(join(folder, name))
    if (name === 'index.html') plain = Buffer.from(String(plain).replace('<base href="/">', `<base href="${baseUrl}">`))
    const tag = `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`
    assets.set(name === 'index.html' ? '' : name, {type, plain, packed: gzipSync(plain, {level: 9}), tag})
  }
  if (!assets.has('') || !assets.has('page.js')) fail(UI_ASSETS_MISSING, {folder})
  return assets
}
