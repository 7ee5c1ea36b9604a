import {Flags} from '@oclif/core'
import {BaseCommand} from '../../cli/base-command.ts'
import {durationFlag} from '../../cli/duration-flag.ts'
import {Scrubber} from '../../cli/sysdump/scrub.ts'

export default class Bugtool extends BaseCommand {
  static override summary = 'gather what the agent and the kernel of this node say (cilium-bugtool)'
  static override description =
    'The files are for cilium sysdump and for people. Tokens, keys and passwords are taken out of them.'
  static override examples = [
    '<%= config.bin %> <%= command.id %>',
    '<%= config.bin %> <%= command.id %> --archiveType gz --tmp /tmp',
    '<%= config.bin %> <%= command.id %> --dry-run',
  ]
  static override flags = {
    archive: Flags.boolean({summary: 'make an archive of the files', default: true, allowNo: true}),
    archiveType: Flags.option({
      char: 'o',
      summary: 'kind of the archive',
      options: ['tar', 'gz'] as const,
      default: 'tar' as const,
    })(),
    tmp: Flags.string({char: 't', summary: 'folder for files and archive', default: '/tmp'}),
    'exec-timeout': durationFlag({
      name: 'exec-timeout',
      summary: 'give one command up after this long',
      default: '30s',
    }),
    'dry-run': Flags.boolean({summary: 'print the commands and run none'}),
    stdout: Flags.boolean({summary: 'print all files as one JSON document and write none'}),
    'exclude-object-files': Flags.boolean({summary: 'there are none to exclude', hidden: true}),
    'get-pprof': Flags.boolean({summary: 'the agent has no such profiles', hidden: true}),
  }

  async run(): Promise<void> {
    const {flags} = await this.parse(Bugtool)
    const {commandLines, gather, save, savedText} = await import('../../cli/dbg/bugtool/gather.ts')
    if (flags['dry-run']) return this.print(commandLines())
    const scrubber = new Scrubber()
    const files = Object.fromEntries(
      Object.entries(await gather({commandMs: flags['exec-timeout'], signal: this.signal})).map(([name, text]) => [
        name,
        scrubber.text(text),
      ]),
    )
    if (flags.stdout) return this.print(JSON.stringify({files}))
    await this.print(
      savedText(await save(files, {folder: flags.tmp, kind: flags.archive ? flags.archiveType : 'folder'})),
    )
  }
}
