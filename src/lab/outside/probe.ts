/** Asks one of the outside's servers whether it serves: `node probe.ts http ADDRESS` or `node probe.ts dns ADDRESS`. */
import {Resolver} from 'node:dns/promises'

const [what, address] = process.argv.slice(2)
if (what === 'http') {
  const answer = await fetch(`http://${address}/client`, {signal: AbortSignal.timeout(2000)})
  process.exitCode = answer.ok ? 0 : 1
} else {
  const resolver = new Resolver({timeout: 1000, tries: 1})
  resolver.setServers([address!])
  process.exitCode = (await resolver.resolve('outside.lab', 'ANY')).length > 0 ? 0 : 1
}
