/**
 * Deletions that the shim noted while no agent listened. Read after the CNI socket listens: a shim that writes a note
 * later finds it listening (bpf/cni/cilium-cni.c says why no lock is needed).
 */
import {readdir, readFile, rm} from 'node:fs/promises'
import {join} from 'node:path'
import {type CniAnswer, type CniMessage, cniMessageBytes, decodeCniMessage} from '../../api/cni.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {Log} from '../../runtime/log.ts'

export interface DeleteQueueOptions {
  readonly folder: string
  readonly answer: (message: CniMessage, signal: AbortSignal) => Promise<CniAnswer>
  readonly log: Log
}

/** Carries out and removes every note; one that fails stays for the next time. @returns how many were carried out */
export async function runDeleteQueue({folder, answer, log}: DeleteQueueOptions): Promise<number> {
  let done = 0
  for (const name of await notes(folder)) {
    const path = join(folder, name)
    if (name.startsWith('.')) {
      await rm(path, {force: true}) // a note that was never finished
      continue
    }
    try {
      const message = decodeCniMessage((await readFile(path)).subarray(4, cniMessageBytes))
      if (message.variables['CNI_COMMAND'] === 'DEL') {
        const {exitCode, text} = await answer(message, new AbortController().signal)
        if (exitCode !== 0) {
          log.warn('a noted deletion failed and stays', {file: name, detail: text}, {per: name})
          continue
        }
        done++
      }
    } catch (thrown) {
      // what cannot be read will not be readable later either: garbage collection finds its endpoint
      log.warn(
        'a noted deletion is malformed and is dropped',
        {file: name, error: CiliumError.from(thrown)},
        {per: name},
      )
    }
    await rm(path, {force: true})
  }
  return done
}

async function notes(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort()
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw thrown
  }
}
