import {Flags, type Interfaces} from '@oclif/core'
import {BaseCommand} from '../../base-command.ts'
import type {MapPlace} from './map-place.ts'

/** A command that reads the maps of this node itself, so that it works with the agent down. Needs root. */
export abstract class BpfCommand<Result = unknown> extends BaseCommand<Result> {
  static override baseFlags: Interfaces.FlagInput = {
    debug: Flags.boolean({char: 'D', summary: 'print stack traces of errors', helpGroup: 'GLOBAL'}),
    'bpf-root': Flags.string({summary: 'where the maps are pinned; found out when not given', helpGroup: 'GLOBAL'}),
  }

  protected place: MapPlace = {}

  protected override settle(flags: Record<string, unknown>): void {
    const root = flags['bpf-root']
    this.place = typeof root === 'string' ? {root} : {}
  }
}
