/** A thread that lets a program write events at a steady rate, and a few that a filter wants among them. */
import {parentPort, workerData} from 'node:worker_threads'
import {BpfMap} from '../../../src/kernel/bpf/map.ts'
import {mapTypes} from '../../../src/kernel/bpf/map-types.ts'
import {runSkbProgram} from '../../../src/kernel/bpf/test-run.ts'
import {bytes, u32} from '../../../src/kernel/codec.ts'
import {inNetns} from '../../../src/kernel/netns.ts'

export interface WriterOptions {
  /** namespace of the node */
  readonly netns: string
  /** writes an event with every run, about what is in the map */
  readonly program: number
  /** of one entry */
  readonly map: {readonly fd: number; readonly name: string; readonly bytes: number}
  readonly ifindex: number
  readonly frame: Uint8Array
  /** what the map holds for most runs, and for one in `every` */
  readonly usual: Uint8Array
  readonly special: Uint8Array
  readonly every: number
  /** events a second */
  readonly rate: number
  readonly seconds: number
}

/** What was written. */
export interface Written {
  readonly packets: number
  /** of them, what the filter wants */
  readonly wanted: number
}

const {netns, program, map: held, ifindex, frame, usual, special, every, rate, seconds} = workerData as WriterOptions
const sliceMs = 2
const shape = {name: held.name, type: mapTypes.array, maxEntries: 1, key: u32, value: bytes(held.bytes)}
const map = new BpfMap(held.fd, shape)

let written = 0
let told = 0
map.put(0, usual)
inNetns(netns, () => {
  const started = performance.now()
  const end = started + seconds * 1000
  for (let now = started; now < end; now = performance.now()) {
    const due = Math.floor(((now - started) / 1000) * rate)
    let left = Math.min(due - written, Math.ceil((rate / 1000) * sliceMs))
    while (left > 0) {
      const run = Math.min(left, every - 1 - (written % every))
      if (run > 0) runSkbProgram(program, frame, {ifindex}, {repeat: run})
      written += run
      left -= run
      if (left === 0) break
      map.put(0, special)
      runSkbProgram(program, frame, {ifindex}, {repeat: 1})
      map.put(0, usual)
      written++
      left--
      told++
    }
  }
})
parentPort!.postMessage({packets: written, wanted: told} satisfies Written)
