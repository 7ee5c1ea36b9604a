/** Preloaded into a program under test: writes the URL of every module that it loads to the file of IMPORTS_FILE. */
import {appendFileSync} from 'node:fs'
import {registerHooks} from 'node:module'

const file = process.env.IMPORTS_FILE
registerHooks({
  load(url, context, nextLoad) {
    appendFileSync(file, `${url}\n`)
    return nextLoad(url, context)
  },
})
