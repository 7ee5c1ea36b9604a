import type {Style} from '../render/style.ts'
import {clean} from '../render/text.ts'
import type {SysdumpResult} from './options.ts'

export function sysdumpText({file, bytes, entries, failed, seconds}: SysdumpResult, style: Style): string {
  const missing = failed.map(({task, reason}) => `${style.warn('!')} ${clean(task)}: ${clean(reason)}\n`).join('')
  const size = bytes < 10_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${Math.round(bytes / 1e6)} MB`
  const rest = failed.length === 0 ? '' : `; ${failed.length} could not be collected`
  return `${missing}${clean(file)}: ${entries} files, ${size}, in ${seconds} s${rest}\n`
}
