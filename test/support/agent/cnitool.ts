/** The CNI project's own tool, which drives plugins by the specification: built once into the cache. */
import {existsSync, mkdirSync} from 'node:fs'
import {join} from 'node:path'
import {execa} from 'execa'
import {cacheFolder} from '../../../src/lab/paths.ts'

const version = 'v1.3.0'

/** @returns its path; throws with Go's own words when it cannot be built */
export async function cnitool(): Promise<string> {
  const folder = join(cacheFolder(), `cnitool-${version}`)
  const path = join(folder, 'cnitool')
  if (existsSync(path)) return path
  mkdirSync(folder, {recursive: true})
  await execa('go', ['install', `github.com/containernetworking/cni/cnitool@${version}`], {env: {GOBIN: folder}})
  return path
}
