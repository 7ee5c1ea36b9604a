import {labExec} from '../../lab/exec.ts'

/** Runs a command at a place of a lab with this terminal; a shell when none is given. @returns its exit code */
export async function runInLab(name: string, place: string, argv: readonly string[]): Promise<number> {
  return await labExec(name, place, argv.length === 0 ? [process.env['SHELL'] ?? '/bin/sh'] : argv)
}
