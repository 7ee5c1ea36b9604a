/** `hubble observe --input-file`: flows a second that the command reads, filters and prints, as it is started by people. */
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {execa} from 'execa'
import {GetFlowsResponse} from '../../src/api/gen/observer.ts'
import {messageToJson} from '../../src/api/wire/json.ts'
import {bareNames} from '../../src/hubble/flow/names.ts'
import {BootTime} from '../../src/hubble/observe/boot-time.ts'
import {FlowBuilder} from '../../src/hubble/observe/flow-builder.ts'
import {FlowStore} from '../../src/hubble/observe/flow-store.ts'
import {append} from '../unit/hubble/events.ts'
import type {BenchRow} from './rows.ts'
import {spread} from './spread.ts'

const flows = Number(process.env['FLOWS'] ?? 100_000)
const rounds = 5

const runs: readonly (readonly [name: string, ...args: string[]])[] = [
  ['compact lines'],
  ['JSON', '--output', 'json'],
  ['a filter that one in a thousand passes', '--port', '777'],
]

export default async function bench(): Promise<BenchRow[]> {
  const folder = mkdtempSync(join(tmpdir(), 'hubble-input-'))
  try {
    const file = join(folder, 'flows.json')
    writeFileSync(file, lines())
    const rows: BenchRow[] = []
    for (const [name, ...args] of runs) {
      const values: number[] = []
      for (let round = 0; round <= rounds; round++) {
        const started = performance.now()
        const command = ['bin/hubble.js', 'observe', '--input-file', file, ...args]
        await execa(process.execPath, command, {stdout: 'ignore', env: {NO_COLOR: '1'}})
        if (round > 0) values.push(flows / ((performance.now() - started) / 1000))
      }
      rows.push({name: `${flows} flows from a file, ${name}`, unit: '1/s', ...spread(values)})
    }
    return rows
  } finally {
    rmSync(folder, {recursive: true, force: true})
  }
}

function lines(): string {
  const store = new FlowStore(1)
  const builder = new FlowBuilder(store, new BootTime({boot: () => 0n, wall: () => 0n}), bareNames('n1'), '1.0.0')
  let text = ''
  for (let i = 0; i < flows; i++) {
    append(store, {time: BigInt(i) * 1000n, from: '10.0.1.5', to: '10.0.2.7', dport: i % 1000, tcpFlags: 2})
    const flow = builder.build(i)
    text += `${JSON.stringify(messageToJson(GetFlowsResponse, {flow, node_name: 'n1', time: flow.time}))}\n`
  }
  return text
}
