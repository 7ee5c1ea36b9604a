/** Debian's Prometheus, unpacked into the cache, asking whom a test names. */
import {existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {stringify} from 'yaml'
import {cacheFolder} from '../../src/lab/paths.ts'

export interface Series {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

async function program(): Promise<string> {
  const folder = join(cacheFolder(), 'prometheus')
  const path = join(folder, 'usr/bin/prometheus')
  if (existsSync(path)) return path
  mkdirSync(folder, {recursive: true})
  await execa('apt-get', ['download', 'prometheus'], {cwd: folder})
  await execa('sh', ['-c', 'dpkg -x prometheus_*.deb .'], {cwd: folder})
  return path
}

export class Prometheus {
  readonly #address: string
  readonly #stop: () => void

  private constructor(address: string, stop: () => void) {
    this.#address = address
    this.#stop = stop
  }

  /** @param targets host:port, asked each second */
  static async start(targets: readonly string[], port: number): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
    const config = join(folder, 'prometheus.yml')
    const job = {job_name: 'lab', scrape_interval: '1s', scrape_timeout: '1s', static_configs: [{targets}]}
    writeFileSync(config, stringify({scrape_configs: [job]}))
    const address = `127.0.0.1:${port}`
    const child = execa(
      await program(),
      [`--config.file=${config}`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=${address}`],
      {reject: false, stdin: 'ignore', stdout: 'ignore', stderr: 'ignore'},
    )
    return new Prometheus(address, () => {
      child.kill()
      rmSync(folder, {recursive: true, force: true})
    })
  }

  /** What an expression gives now. @throws when Prometheus does not understand it, or does not answer */
  async query(expression: string): Promise<readonly Series[]> {
    const answer = await fetch(`http://${this.#address}/api/v1/query?query=${encodeURIComponent(expression)}`)
    const {status, data, error} = (await answer.json()) as {
      status: string
      data?: {result: readonly Series[]}
      error?: string
    }
    if (status !== 'success') throw new Error(`${expression}: ${error}`)
    return data!.result
  }

  stop(): void {
    this.#stop()
  }
}
