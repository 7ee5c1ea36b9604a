/**
 * Shell completion scripts. They are made of the commands' own description, so they know every command and flag, and
 * ask nobody when a person presses tab.
 */
import type {Config} from '@oclif/core'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

interface Word {
  readonly name: string
  readonly summary: string
}

interface Place {
  /** words that may follow: sub-commands */
  readonly words: readonly Word[]
  readonly flags: readonly Word[]
}

/** The script for a shell. @param descriptions say what each word does, where the shell can show it */
export function completionScript(config: Config, shell: Shell, descriptions: boolean): string {
  const places = placesOf(config)
  switch (shell) {
    case 'bash':
      return bashScript(config.bin, places)
    case 'zsh':
      return zshScript(config.bin, places, descriptions)
    case 'fish':
      return fishScript(config.bin, places, descriptions)
  }
}

/** By the words typed so far, joined by blanks. */
function placesOf(config: Config): Map<string, Place> {
  const places = new Map<string, {words: Map<string, Word>; flags: Word[]}>()
  const place = (id: string) => {
    let found = places.get(id)
    if (found === undefined) places.set(id, (found = {words: new Map(), flags: []}))
    return found
  }
  place('')
  const topics = new Map(config.topics.map(({name, description}) => [name, description ?? '']))
  for (const command of config.commands.filter(({hidden}) => hidden !== true)) {
    const parts = command.id.split(':')
    for (const [index, part] of parts.entries()) {
      const above = parts.slice(0, index).join(' ')
      const own = parts.slice(0, index + 1)
      const isCommand = index === parts.length - 1
      const summary = isCommand ? (command.summary ?? '') : (topics.get(own.join(':')) ?? '')
      const known = place(above).words.get(part)
      if (known === undefined || (isCommand && summary !== '')) place(above).words.set(part, {name: part, summary})
    }
    place(parts.join(' ')).flags = Object.values(command.flags ?? {})
      .filter(({hidden}) => hidden !== true)
      .map(({name, summary = ''}) => ({name: `--${name}`, summary}))
  }
  return new Map(
    [...places]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, {words, flags}]) => [
        id,
        {words: [...words.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), flags},
      ]),
  )
}

/** A function of the shell that finds the longest run of leading words that leads somewhere. */
function bashScript(bin: string, places: ReadonlyMap<string, Place>): string {
  const name = `_${bin.replaceAll('-', '_')}_complete`
  const cases = [...places].map(([id, {words, flags}]) => {
    const all = [...words, ...flags].map((one) => one.name).join(' ')
    return `    ${quoted(id)}) echo ${quoted(all)} ;;`
  })
  return `# bash completion of ${bin}: source <(${bin} completion bash)
${name}_words() {
  case "$1" in
${cases.join('\n')}
  esac
}
${name}() {
  local at='' word next
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] && continue
    next="\${at:+$at }$word"
    [[ -n $(${name}_words "$next") ]] && at=$next
  done
  COMPREPLY=($(compgen -W "$(${name}_words "$at")" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F ${name} ${bin}
`
}

function zshScript(bin: string, places: ReadonlyMap<string, Place>, descriptions: boolean): string {
  const name = `_${bin.replaceAll('-', '_')}`
  const cases = [...places].map(([id, {words, flags}]) => {
    const all = [...words, ...flags].map((one) =>
      quoted(descriptions && one.summary !== '' ? `${one.name.replaceAll(':', '\\:')}:${one.summary}` : one.name),
    )
    return `    ${quoted(id)}) found=(${all.join(' ')}) ;;`
  })
  return `#compdef ${bin}
# zsh completion of ${bin}: source <(${bin} completion zsh)
${name}_words() {
  found=()
  case "$1" in
${cases.join('\n')}
  esac
}
${name}() {
  local at='' word next
  local -a found
  for word in \${words[2,CURRENT-1]}; do
    [[ $word == -* ]] && continue
    next="\${at:+$at }$word"
    ${name}_words "$next"
    (( $#found )) && at=$next
  done
  ${name}_words "$at"
  _describe -o '${bin}' found || _files
}
(( $+functions[compdef] )) && compdef ${name} ${bin}
`
}

function fishScript(bin: string, places: ReadonlyMap<string, Place>, descriptions: boolean): string {
  const name = `__${bin.replaceAll('-', '_')}_at`
  const lines = [...places].flatMap(([id, {words, flags}]) => {
    const condition = `-n ${quoted(`${name} ${quoted(id)}`)}`
    const told = ({summary}: Word) => (descriptions && summary !== '' ? ` -d ${quoted(summary)}` : '')
    return [
      ...words.map((one) => `complete -c ${bin} -f ${condition} -a ${quoted(one.name)}${told(one)}`),
      ...flags.map((one) => `complete -c ${bin} ${condition} -l ${one.name.slice(2)}${told(one)}`),
    ]
  })
  const ids = [...places.keys()].filter((id) => id !== '').map(quoted)
  return `# fish completion of ${bin}: ${bin} completion fish | source
function ${name}
  set -l at ''
  for word in (commandline -opc)[2..-1]
    string match -q -- '-*' $word; and continue
    set -l next (string trim -- "$at $word")
    contains -- $next ${ids.join(' ')}; and set at $next
  end
  test "$at" = "$argv[1]"
end
${lines.join('\n')}
`
}

/** For all three shells: a text in single quotes. */
function quoted(text: string): string {
  return `'${text.replace(/[\r\n]+/g, ' ').replaceAll("'", `'\\''`)}'`
}
