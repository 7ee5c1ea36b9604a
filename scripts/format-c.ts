/** clang-format over the C sources: checks, or with --write rewrites. */
import {globSync} from 'node:fs'
import {execa} from 'execa'

const sources = globSync('{bpf,test}/**/*.{c,h}', {exclude: (name) => name === 'node_modules'}).sort()
const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '--Werror']
const done = await execa('clang-format', [...mode, ...sources], {reject: false})
if (done.exitCode !== 0) {
  process.stderr.write(`${done.stderr}\nrun: npm run format\n`)
  process.exit(1)
}
