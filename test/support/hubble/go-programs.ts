/** Programs of others, in Go, that speak with ours: built once into the cache. */
import {copyFileSync, existsSync, mkdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {execa} from 'execa'
import {cacheFolder} from '../../../src/lab/paths.ts'

const grpcurlVersion = 'v1.9.4'
const pdataVersion = 'v1.68.0'
const grpcVersion = 'v1.84.0'

/** A client of gRPC that learns messages by reflection. @returns its path; throws with Go's own words */
export async function grpcurl(): Promise<string> {
  const folder = join(cacheFolder(), `grpcurl-${grpcurlVersion}`)
  const path = join(folder, 'grpcurl')
  if (existsSync(path)) return path
  mkdirSync(folder, {recursive: true})
  await execa('go', ['install', `github.com/fullstorydev/grpcurl/cmd/grpcurl@${grpcurlVersion}`], {
    env: {GOBIN: folder},
  })
  return path
}

/** A receiver of OTLP made of the OpenTelemetry collector's library. @returns its path; throws with Go's own words */
export async function otlpReceiver(): Promise<string> {
  const folder = join(cacheFolder(), `otlp-receiver-${pdataVersion}`)
  const path = join(folder, 'otlp-receiver')
  mkdirSync(folder, {recursive: true})
  copyFileSync(new URL('../otel/main.go', import.meta.url).pathname, join(folder, 'main.go'))
  writeFileSync(
    join(folder, 'go.mod'),
    [
      'module lab/otlp',
      '',
      'go 1.26.0',
      '',
      `require go.opentelemetry.io/collector/pdata ${pdataVersion}`,
      `require google.golang.org/grpc ${grpcVersion}`,
      '',
    ].join('\n'),
  )
  await execa('go', ['build', '-o', path, '.'], {cwd: folder, env: {GOFLAGS: '-mod=mod -buildvcs=false'}})
  return path
}
