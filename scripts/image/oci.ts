/**
 * One tar that is an OCI image layout and a docker archive at once: `ctr images import`, `docker load`, `podman load`
 * and `kind load image-archive` each find the index they know; the blobs are shared.
 */
import {createHash} from 'node:crypto'
import type {Architecture} from './architecture.ts'
import type {Layer} from './layer.ts'
import {type TarEntry, type WrittenTar, writeTar} from './tar.ts'

export interface ImagePlan {
  readonly architecture: Architecture
  /** without registry: `cilium` */
  readonly name: string
  readonly tag: string
  /** seconds since 1970 */
  readonly created: number
  /** lowest first */
  readonly layers: readonly Layer[]
  readonly environment: readonly string[]
  readonly command: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

/** Writes the archive. Same plan, same bytes. */
export async function writeImageArchive(output: string, plan: ImagePlan): Promise<WrittenTar> {
  const created = new Date(plan.created * 1000).toISOString()
  const config = blob({
    created,
    architecture: plan.architecture,
    os: 'linux',
    config: {Env: plan.environment, Cmd: plan.command, Labels: plan.labels, WorkingDir: '/'},
    rootfs: {type: 'layers', diff_ids: plan.layers.map(({diffId}) => diffId)},
    history: plan.layers.map(() => ({created, created_by: 'npm run image'})),
  })
  const manifest = blob({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: {mediaType: 'application/vnd.oci.image.config.v1+json', digest: config.digest, size: config.data.length},
    layers: plan.layers.map(({digest, size}) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest,
      size,
    })),
    annotations: plan.labels,
  })
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: manifest.digest,
        size: manifest.data.length,
        platform: {architecture: plan.architecture, os: 'linux'},
        annotations: {
          'io.containerd.image.name': `docker.io/library/${plan.name}:${plan.tag}`,
          'org.opencontainers.image.ref.name': plan.tag,
        },
      },
    ],
  }
  const dockerManifest = [
    {
      Config: blobPath(config.digest),
      RepoTags: [`${plan.name}:${plan.tag}`],
      Layers: plan.layers.map(({digest}) => blobPath(digest)),
    },
  ]

  const entries: TarEntry[] = [
    {path: 'blobs', kind: 'folder', mode: 0o755},
    {path: 'blobs/sha256', kind: 'folder', mode: 0o755},
    json('oci-layout', {imageLayoutVersion: '1.0.0'}),
    json('index.json', index),
    json('manifest.json', dockerManifest),
    ...[config, manifest].map(({digest, data}): TarEntry => file(blobPath(digest), data)),
    ...plan.layers.map((layer): TarEntry => file(blobPath(layer.digest), {file: layer.file})),
  ]
  return writeTar(output, entries, plan.created)
}

function blob(value: unknown): {digest: string; data: Buffer} {
  const data = Buffer.from(JSON.stringify(value))
  return {digest: `sha256:${createHash('sha256').update(data).digest('hex')}`, data}
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`
}

function json(path: string, value: unknown): TarEntry {
  return file(path, Buffer.from(JSON.stringify(value)))
}

function file(path: string, content: Buffer | {readonly file: string}): TarEntry {
  return {path, kind: 'file', mode: 0o644, content}
}
