/** Runs every generator (scripts/generate-*.ts), one after another. With --check they say what is out of date. */
import {readdirSync} from 'node:fs'
import {join} from 'node:path'
import {execa} from 'execa'

const folder = import.meta.dirname
const generators = readdirSync(folder)
  .filter((file) => /^generate-.*\.ts$/.test(file))
  .sort()

for (const generator of generators) {
  const done = await execa(process.execPath, [join(folder, generator), ...process.argv.slice(2)], {
    stdio: 'inherit',
    reject: false,
  })
  if (done.exitCode !== 0) process.exitCode = 1
}
