/** The process's heap, where the engine's own judgement is not enough. */
import {setFlagsFromString} from 'node:v8'
import {runInNewContext} from 'node:vm'

type Collect = (options: {
  readonly type: 'major'
  readonly execution: 'async'
  readonly flavor: 'last-resort'
}) => Promise<void>

let collect: Collect | undefined

/**
 * Collects all garbage of this thread and gives the pages back to the node. For the moment after a large piece of work
 * that does not come again, such as reading the whole cluster at the start: the engine keeps those pages for as long as
 * nobody asks. Stops the thread for some milliseconds a MiB that is alive.
 */
export async function giveBackMemory(): Promise<void> {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc')
    collect = runInNewContext('gc') as Collect
  }
  await collect({type: 'major', execution: 'async', flavor: 'last-resort'})
}
