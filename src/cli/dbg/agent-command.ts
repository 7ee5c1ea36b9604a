import {Flags, type Interfaces} from '@oclif/core'
import {BaseCommand} from '../base-command.ts'
import {type AgentOptions, defaultSocket} from './agent-client.ts'

/** A command that asks the agent of this node over its socket. */
export abstract class AgentCommand<Result = unknown> extends BaseCommand<Result> {
  static override baseFlags: Interfaces.FlagInput = {
    debug: Flags.boolean({char: 'D', summary: 'print stack traces of errors', helpGroup: 'GLOBAL'}),
    host: Flags.string({
      char: 'H',
      summary: 'where the agent listens: unix:///PATH or tcp://HOST:PORT',
      default: defaultSocket,
      env: 'CILIUM_SOCK',
      helpGroup: 'GLOBAL',
    }),
  }

  protected agent: AgentOptions = {host: defaultSocket, signal: this.signal}

  protected override settle(flags: Record<string, unknown>): void {
    this.agent = {host: flags['host'] as string, signal: this.signal}
  }
}
