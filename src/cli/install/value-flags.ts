/** The flags by which values are given, with the names that Helm gives them and those of earlier years. */
import {Flags} from '@oclif/core'
import type {ValueSources} from '../chart/user-values.ts'

export const valueFlags = {
  values: Flags.string({
    char: 'f',
    summary: 'values file, repeatable, later ones win; - for stdin',
    multiple: true,
    multipleNonGreedy: true,
    aliases: ['helm-values'],
    deprecateAliases: true,
    helpValue: 'FILE',
  }),
  set: Flags.string({
    summary: 'set a value, repeatable: path=value,path={a,b},path[0]=c',
    multiple: true,
    multipleNonGreedy: true,
    aliases: ['helm-set'],
    deprecateAliases: true,
    helpValue: 'PATH=VALUE',
  }),
  'set-string': Flags.string({
    summary: 'set a value to a text, repeatable',
    multiple: true,
    multipleNonGreedy: true,
    aliases: ['helm-set-string'],
    deprecateAliases: true,
    helpValue: 'PATH=TEXT',
  }),
  'set-file': Flags.string({
    summary: 'set a value to the content of a file, repeatable',
    multiple: true,
    multipleNonGreedy: true,
    aliases: ['helm-set-file'],
    deprecateAliases: true,
    helpValue: 'PATH=FILE',
  }),
}

export interface ValueFlags {
  readonly values?: readonly string[] | undefined
  readonly set?: readonly string[] | undefined
  readonly 'set-string'?: readonly string[] | undefined
  readonly 'set-file'?: readonly string[] | undefined
}

export function sourcesOf(flags: ValueFlags): ValueSources {
  return {
    files: flags.values ?? [],
    set: flags.set ?? [],
    setString: flags['set-string'] ?? [],
    setFile: flags['set-file'] ?? [],
  }
}
