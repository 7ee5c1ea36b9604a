import {Flags} from '@oclif/core'
import {fail} from '../runtime/errors.ts'
import {OUTPUT_FORMAT_UNKNOWN} from './errors.ts'

/** How a result is printed; `jsonpath` carries its expression, as in -o jsonpath='{.items[0].name}'. */
export type OutputFormat = 'text' | 'summary' | 'json' | 'yaml' | `jsonpath=${string}`

/**
 * The -o flag of a command.
 *
 * @param formats what the command can print, its default first; 'jsonpath' allows -o jsonpath=EXPRESSION
 */
export function outputFlag(formats: readonly ('text' | 'summary' | 'json' | 'yaml' | 'jsonpath')[]) {
  const shown = formats.map((format) => (format === 'jsonpath' ? 'jsonpath=EXPRESSION' : format)).join('|')
  return Flags.custom<OutputFormat>({
    char: 'o',
    summary: 'print the result in this form',
    helpValue: shown,
    default: formats[0] as OutputFormat,
    parse: async (typed) => {
      if (formats.includes('jsonpath') && typed.startsWith('jsonpath=')) return typed as OutputFormat
      const found = formats.find((format) => format === typed && format !== 'jsonpath')
      return (found as OutputFormat | undefined) ?? fail(OUTPUT_FORMAT_UNKNOWN, {format: typed, formats: shown})
    },
  })()
}
