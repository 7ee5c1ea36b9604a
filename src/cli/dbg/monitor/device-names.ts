import {readdirSync, readFileSync} from 'node:fs'

const folder = '/sys/class/net'

/** Names of network devices of this namespace by their index, read again when one is missing. */
export class DeviceNames {
  #names = new Map<number, string>()

  /** The name, or the number of a device that is not here. */
  of(ifindex: number): string {
    if (ifindex === 0) return '0'
    if (!this.#names.has(ifindex)) {
      this.#names = readNames()
      // one that stays unknown is not looked for with each event
      if (!this.#names.has(ifindex)) this.#names.set(ifindex, String(ifindex))
    }
    return this.#names.get(ifindex)!
  }
}

function readNames(): Map<number, string> {
  const names = new Map<number, string>()
  for (const name of readdirSync(folder)) {
    try {
      names.set(Number(readFileSync(`${folder}/${name}/ifindex`, 'utf8')), name)
    } catch {
      // it went away between the two reads
    }
  }
  return names
}
