import type {DebugInfo} from '../../api/models.ts'
import {hasCode} from '../../runtime/errors.ts'
import {productVersion} from '../../runtime/version.ts'
import {clean} from '../render/text.ts'
import {type AgentOptions, askAgent} from './agent-client.ts'
import {AGENT_UNREACHABLE} from './errors.ts'

export interface ProgramVersion {
  readonly Version: string
  readonly Revision: string
  readonly GoRuntimeVersion: string
  readonly Arch: string
  readonly AuthorDate: string
}

export interface VersionReport {
  readonly Client: ProgramVersion
  /** undefined while no agent answers */
  readonly Daemon?: ProgramVersion
}

/** Versions of this program and of the agent of this node. */
export async function versions(agent: AgentOptions): Promise<VersionReport> {
  const {version, revision, arch} = productVersion()
  const Client = {
    Version: version,
    Revision: revision,
    GoRuntimeVersion: '',
    Arch: `${process.platform}/${arch}`,
    AuthorDate: '',
  }
  try {
    const info = await askAgent<DebugInfo>(agent, '/debuginfo')
    return {Client, Daemon: parseVersion(info['cilium-version'] ?? '')}
  } catch (thrown) {
    if (hasCode(thrown, AGENT_UNREACHABLE)) return {Client}
    throw thrown
  }
}

/** Reads `<version> <revision> <date> go version <runtime> <os>/<arch>`; a shorter text has no version. */
export function parseVersion(text: string): ProgramVersion {
  const fields = text.split(/\s+/)
  const [Version = '', Revision = '', AuthorDate = '', , , GoRuntimeVersion = '', Arch = ''] =
    fields.length >= 7 ? fields : []
  return {Version, Revision, GoRuntimeVersion, Arch, AuthorDate}
}

export function versionText({Client, Daemon}: VersionReport): string {
  const line = ({Version, Revision, AuthorDate, Arch}: ProgramVersion) =>
    clean([Version, Revision, AuthorDate, Arch].filter((field) => field !== '').join(' '))
  return `Client: ${line(Client)}\nDaemon: ${Daemon === undefined ? 'Not responding' : line(Daemon)}\n`
}
