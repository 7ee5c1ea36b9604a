/**
 * What all commands share: flags, the one way to print a result, Ctrl-C. A command is flags, one call, one renderer:
 *
 *     const rows = await listServices(this.cluster, {node: flags.node}, this.signal)
 *     await this.show(rows, serviceTable)
 */
import {Command, Flags, type Interfaces} from '@oclif/core'
import {CiliumError} from '../runtime/errors.ts'
import {exitCodes} from '../runtime/exit-codes.ts'
import type {ClusterOptions} from './cluster-options.ts'
import {INTERRUPTED} from './errors.ts'
import type {OutputFormat} from './output-format.ts'
import {type Style, styleFor} from './render/style.ts'
import {cleanLines, toJson} from './render/text.ts'

// biome-ignore lint/suspicious/noExplicitAny: oclif's own bound for flags and arguments
type Parsed = Record<string, any>

/** Turns a result into text. Cluster text in it must be clean (render/text.ts). */
export type Renderer<T> = (value: T, style: Style) => string

export abstract class BaseCommand<Result = unknown> extends Command {
  static override baseFlags: Interfaces.FlagInput = {
    debug: Flags.boolean({summary: 'print stack traces of errors', helpGroup: 'GLOBAL'}),
  }

  /** the value of -o; 'text' for commands without it */
  protected output: OutputFormat = 'text'
  /** aborted by Ctrl-C; every wait of a use-case ends with it */
  protected readonly signal: AbortSignal
  readonly #abort = new AbortController()

  constructor(argv: string[], config: Command['config']) {
    super(argv, config)
    this.signal = this.#abort.signal
  }

  protected override async init(): Promise<void> {
    await super.init()
    process.on('SIGINT', this.#interrupt)
    process.on('SIGTERM', this.#interrupt)
  }

  protected override async finally(): Promise<void> {
    process.off('SIGINT', this.#interrupt)
    process.off('SIGTERM', this.#interrupt)
  }

  /** Errors go up to the program, which prints each once. */
  protected override async catch(thrown: Error): Promise<never> {
    throw this.signal.aborted && !isInterrupted(thrown) && isAbort(thrown)
      ? new CiliumError(INTERRUPTED, {}, {cause: thrown})
      : thrown
  }

  protected override async parse<F extends Parsed, B extends Parsed, A extends Parsed>(
    options?: Interfaces.Input<F, B, A>,
    argv?: string[],
  ): Promise<Interfaces.ParserOutput<F, B, A>> {
    const parsed = await super.parse(options, argv)
    const flags = parsed.flags as Record<string, unknown>
    if (typeof flags['output'] === 'string') this.output = flags['output'] as OutputFormat
    this.settle(flags)
    return parsed
  }

  /** For base classes: takes what it needs from the parsed flags. */
  protected settle(_flags: Record<string, unknown>): void {}

  /** True when stdout belongs to a program that reads, so that progress must stay silent. */
  protected get forPrograms(): boolean {
    return this.output !== 'text' && this.output !== 'summary'
  }

  /** Prints a result in the form that -o asks for. */
  protected async show(value: Result, render: Renderer<Result>): Promise<void> {
    await this.print(await format(value, this.output, render))
  }

  /** Writes text to stdout, safe for a terminal, and waits for a slow reader. */
  protected async print(text: string): Promise<void> {
    await write(process.stdout, cleanLines(text.endsWith('\n') || text === '' ? text : `${text}\n`))
  }

  /** Tells what is going on, on stderr; silent when a program reads. */
  protected note(text: string): void {
    if (!this.forPrograms) process.stderr.write(cleanLines(`${text}\n`))
  }

  /** Ends with the exit code of this outcome once the command is done; nothing is printed for it. */
  protected exitWith(outcome: keyof typeof exitCodes): void {
    process.exitCode = exitCodes[outcome]
  }

  #interrupt = (): void => {
    if (this.#abort.signal.aborted) process.exit(exitCodes.interrupted)
    this.#abort.abort(new CiliumError(INTERRUPTED))
  }
}

/** A command that talks to a Kubernetes cluster. */
export abstract class ClusterCommand<Result = unknown> extends BaseCommand<Result> {
  static override baseFlags: Interfaces.FlagInput = {
    ...BaseCommand.baseFlags,
    kubeconfig: Flags.string({
      summary: 'kubeconfig file; KUBECONFIG, ~/.kube/config or the pod this runs in when not given',
      helpGroup: 'GLOBAL',
    }),
    context: Flags.string({summary: 'context of the kubeconfig; its current one when not given', helpGroup: 'GLOBAL'}),
    namespace: Flags.string({
      char: 'n',
      summary: 'namespace that Cilium runs in',
      default: 'kube-system',
      env: 'CILIUM_NAMESPACE',
      helpGroup: 'GLOBAL',
    }),
    'helm-release-name': Flags.string({summary: 'name of the Helm release', default: 'cilium', helpGroup: 'GLOBAL'}),
    as: Flags.string({summary: 'user to impersonate', helpGroup: 'GLOBAL'}),
    'as-group': Flags.string({
      summary: 'group to impersonate, repeatable',
      multiple: true,
      multipleNonGreedy: true,
      helpGroup: 'GLOBAL',
    }),
  }

  /** how to reach the cluster, from the flags */
  protected cluster: ClusterOptions = {namespace: 'kube-system', helmReleaseName: 'cilium'}

  protected override settle(flags: Record<string, unknown>): void {
    const {
      kubeconfig,
      context,
      as: user,
      'as-group': groups,
    } = flags as {
      kubeconfig?: string
      context?: string
      as?: string
      'as-group'?: string[]
    }
    this.cluster = {
      namespace: flags['namespace'] as string,
      helmReleaseName: flags['helm-release-name'] as string,
      ...(kubeconfig === undefined ? {} : {kubeconfig}),
      ...(context === undefined ? {} : {context}),
      ...(user === undefined && groups === undefined ? {} : {impersonate: {user: user ?? '', groups: groups ?? []}}),
    }
  }
}

async function format<T>(value: T, output: OutputFormat, render: Renderer<T>): Promise<string> {
  if (output === 'json') return `${toJson(value)}\n`
  if (output === 'yaml') return (await import('./render/yaml.ts')).toYaml(value)
  if (output.startsWith('jsonpath=')) {
    return `${(await import('./render/jsonpath.ts')).jsonPath(value, output.slice('jsonpath='.length))}\n`
  }
  return render(value, styleFor(process.stdout))
}

async function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  if (text === '' || stream.write(text)) return
  await new Promise<void>((resolve) => {
    stream.once('drain', resolve)
    stream.once('close', resolve)
  })
}

function isAbort(thrown: Error): boolean {
  return thrown.name === 'AbortError' || (thrown as {code?: string}).code === 'ABORT_ERR'
}

function isInterrupted(thrown: Error): boolean {
  return thrown instanceof CiliumError && thrown.code === INTERRUPTED
}
