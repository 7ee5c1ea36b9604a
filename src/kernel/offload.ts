/** What a device's driver does in the kernel's place (ethtool -k): checksums, segmentation, receive aggregation. */
import {addressOf, closeFd, ioctl, openSocket} from './libc.ts'

const SIOCETHTOOL = 0x8946
const AF_INET = 2
const SOCK_DGRAM = 2

/** Commands of include/uapi/linux/ethtool.h: [get, set]. */
const commands = {
  'rx-checksum': [0x14, 0x15],
  'tx-checksum': [0x16, 0x17],
  'scatter-gather': [0x18, 0x19],
  tso: [0x1e, 0x1f],
  gso: [0x23, 0x24],
  gro: [0x2b, 0x2c],
} as const

export type Offload = keyof typeof commands

function request(device: string, command: number, value: number, operation: string): number {
  const fd = openSocket(AF_INET, SOCK_DGRAM, 0, operation)
  try {
    const data = new DataView(new ArrayBuffer(8))
    data.setUint32(0, command, true)
    data.setUint32(4, value, true)
    const argument = new DataView(new ArrayBuffer(40))
    new Uint8Array(argument.buffer).set(Buffer.from(device.slice(0, 15)))
    argument.setBigUint64(16, addressOf(data.buffer), true)
    ioctl(fd, SIOCETHTOOL, new Uint8Array(argument.buffer), operation)
    return data.getUint32(4, true)
  } finally {
    closeFd(fd)
  }
}

/** Is it on? The device is one of the calling thread's namespace. @throws KernelError: ENODEV, EOPNOTSUPP */
export function readOffload(device: string, offload: Offload): boolean {
  return request(device, commands[offload][0], 0, `read ${offload} of ${device}`) !== 0
}

/** @throws KernelError: ENODEV, EOPNOTSUPP, EINVAL when the driver has it fixed */
export function writeOffload(device: string, offload: Offload, on: boolean): void {
  request(device, commands[offload][1], on ? 1 : 0, `turn ${offload} of ${device} ${on ? 'on' : 'off'}`)
}
