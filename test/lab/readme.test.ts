/** The README's demo, as it stands there; only the cluster's name is another, so that a reader's own is left alone. */
import {existsSync, readFileSync} from 'node:fs'
import {execa} from 'execa'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {labPaths} from '../../src/lab/paths.ts'

const name = 't-readme'
const readme = readFileSync('README.md', 'utf8')

/** The shell blocks of a section. */
function commandsOf(heading: string): string[] {
  const section = readme.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
  return [...section.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block!)
}

const down = () => execa('node', ['bin/cilium.js', 'lab', 'down', '--name', name])

beforeAll(async () => void (await down()))
afterAll(async () => void (await down()))

test('the demo makes a cluster, proves it, shows what it says it shows, and leaves nothing', async () => {
  const [quickstart, look] = commandsOf('Try it')
  expect(quickstart?.trim()).toBe('./scripts/quickstart')
  expect(look).toContain('tcpdump')

  const made = await execa('bash', ['-ec', `${quickstart!.trim()} --name ${name}`], {all: true, stdin: 'ignore'})
  const seen = await execa('bash', ['-ec', look!.replaceAll('quickstart', name)], {all: true, stdin: 'ignore'})

  expect(made.all).toContain('The cluster runs.')
  expect(made.all).toContain(`bin/cilium.js lab down --name ${name}`)
  expect(seen.stdout).toMatch(/DaemonSet\s+cilium\s+Desired: 3, Ready: 3\/3, Available: 3\/3/)
  expect(seen.all).toMatch(/VXLAN, flags \[I\].* vni \d+/)
  expect(seen.all).toContain('5 packets captured')
  expect(existsSync(labPaths(name).data)).toBe(false)
})
