/** A thread that lets a program write events at a steady rate, and a few that a filter wants among them. */
import {parentPort, workerData} from 'node:worker_threads'
import {BpfMap} from '../../../src/kernel/bpf/map.ts'
import {runSkbProgram} from '../../../src/kernel/bpf/test-run.ts'
import {inNetns} from '../../../src/kernel/netns.ts'
import {againShape, againValue} from './same-packet.ts'

export interface WriterOptions {
  /** namespace of the node */
  readonly netns: string
  /** the program that restores the packet, then runs the one that is measured */
  readonly program: number
  /** map that holds the packet */
  readonly again: number
  readonly ifindex: number
  readonly frame: Uint8Array
  /** one in `every` is this */
  readonly wanted: Uint8Array
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

const {netns, program, again, ifindex, frame, wanted, every, rate, seconds} = workerData as WriterOptions
const sliceMs = 2
const map = new BpfMap(again, againShape)
const usual = againValue(frame)
const special = againValue(wanted)

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
      runSkbProgram(program, wanted, {ifindex}, {repeat: 1})
      map.put(0, usual)
      written++
      left--
      told++
    }
  }
})
parentPort!.postMessage({packets: written, wanted: told} satisfies Written)
