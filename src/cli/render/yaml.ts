import {stringify} from 'yaml'
import {toJson} from './text.ts'

/** A value as YAML. It goes through JSON first, so that both forms say the same. */
export function toYaml(value: unknown): string {
  return stringify(JSON.parse(toJson(value)), {lineWidth: 0})
}
