/**
 * How much stack the longest chain of calls of each program takes, as the oldest kernel that is promised reckons it:
 * every frame rounded up to 32 bytes (newer ones: 16), callbacks of loops and timers included. Read from the object, so
 * that any machine can say it.
 */
import {execFileSync} from 'node:child_process'
import {existsSync} from 'node:fs'

/** Bytes of stack, and calls, that a chain may have. */
export const stackLimit = 512
export const callLimit = 8
const rounded = (bytes: number) => Math.ceil(Math.max(bytes, 1) / 32) * 32

export interface Chain {
  readonly bytes: number
  /** name and bytes of each frame, the program first */
  readonly frames: readonly string[]
}

interface Call {
  readonly from: string
  readonly section: string
  readonly at: number
  readonly immediate: number
  symbol: string | undefined
  readonly isCallback: boolean
}

/** @returns the longest chain of each program whose name begins with `cil_` */
export function stackChains(object: string): ReadonlyMap<string, Chain> {
  const frames = new Map<string, number>()
  const starts = new Map<string, string>()
  const calls: Call[] = []
  let [section, current, before, address] = ['', '', '', 0]
  for (const line of disassembly(object)) {
    const named = /^Disassembly of section (\S+):/.exec(line)?.[1]
    if (named !== undefined) section = named
    const [, place, name] = /^([0-9a-f]+) <(\S+)>:/.exec(line) ?? []
    if (name !== undefined && !name.startsWith('LBB')) {
      current = name
      frames.set(name, 0)
      starts.set(`${section} ${Number.parseInt(place!, 16) / 8}`, name)
    }
    const [, at, hex, text] = /^\s+(\d+):\s+((?:[0-9a-f]{2}\s){8})\s*(.*)/.exec(line) ?? []
    if (hex !== undefined && text !== undefined) {
      const bytes = Buffer.from(hex.replace(/\s/g, ''), 'hex')
      const depth = /r10 - (0x[0-9a-f]+|\d+)\)/.exec(text)?.[1] ?? addressed(text, before)
      if (depth !== undefined) frames.set(current, Math.max(frames.get(current)!, Number(depth)))
      before = text
      if (bytes[0] === 0x18) address = bytes.readInt32LE(4)
      // a call of a function of ours, not of a helper
      if (bytes[0] === 0x85 && bytes[1]! >> 4 === 1)
        calls.push({
          from: current,
          section,
          at: Number(at),
          immediate: bytes.readInt32LE(4),
          symbol: undefined,
          isCallback: false,
        })
    }
    const relocated = /R_BPF_64_32\s+(\S+)/.exec(line)?.[1]
    if (relocated !== undefined && calls.length > 0) calls.at(-1)!.symbol = relocated
    const taken = /R_BPF_64_64\s+(\S+)/.exec(line)?.[1]
    if (taken !== undefined)
      calls.push({from: current, section, at: 0, immediate: address, symbol: taken, isCallback: true})
  }
  const called = Map.groupBy(
    calls.map((call) => ({from: call.from, to: target(call, starts)})),
    ({from}) => from,
  )
  const known = new Map<string, Chain>()
  const longest = (name: string): Chain => {
    const found = known.get(name)
    if (found !== undefined) return found
    const below = (called.get(name) ?? [])
      .filter(({to}) => to !== undefined && frames.has(to))
      .map(({to}) => longest(to!))
      .reduce<Chain>((most, one) => (one.bytes > most.bytes ? one : most), {bytes: 0, frames: []})
    const own = frames.get(name) ?? 0
    const chain = {bytes: rounded(own) + below.bytes, frames: [`${name} (${own})`, ...below.frames]}
    known.set(name, chain)
    return chain
  }
  return new Map([...frames.keys()].filter((name) => name.startsWith('cil_')).map((name) => [name, longest(name)]))
}

/** `r1 = r10`, then `r1 += -40`. */
function addressed(text: string, before: string): string | undefined {
  const [, register, depth] = /^(r\d+) \+= -(0x[0-9a-f]+|\d+)/.exec(text) ?? []
  return register !== undefined && before.startsWith(`${register} = r10`) ? depth : undefined
}

function target(
  {section, at, immediate, symbol, isCallback}: Call,
  starts: ReadonlyMap<string, string>,
): string | undefined {
  if (isCallback) return symbol === '.text' ? starts.get(`.text ${immediate / 8}`) : symbol
  if (symbol === undefined) return starts.get(`${section} ${at + 1 + immediate}`)
  return symbol === '.text' ? starts.get(`.text ${immediate + 1}`) : symbol
}

function disassembly(object: string): string[] {
  const versions = ['', '-22', '-21', '-20', '-19', '-18', '-17', '-16', '-15', '-14'].map(
    (one) => `/usr/bin/llvm-objdump${one}`,
  )
  const tool = versions.find(existsSync) ?? 'llvm-objdump'
  return execFileSync(tool, ['-d', '-r', object], {encoding: 'utf8', maxBuffer: 1 << 28}).split('\n')
}
