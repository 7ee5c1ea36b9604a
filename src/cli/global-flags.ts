/** Flags that may stand before the command, as kubectl users type them: `cilium --context lab status`. */
const takesValue: ReadonlySet<string> = new Set([
  '--kubeconfig',
  '--context',
  '-n',
  '--namespace',
  '--helm-release-name',
  '--as',
  '--as-group',
  '-H',
  '--host',
])
const takesNone: ReadonlySet<string> = new Set(['--debug'])

/** Moves leading global flags behind the words of the command, where the parser wants them. */
export function globalFlagsFirst(argv: readonly string[]): readonly string[] {
  const leading: string[] = []
  let index = 0
  while (index < argv.length) {
    const word = argv[index]!
    const name = word.split('=', 1)[0]!
    if (takesNone.has(word)) leading.push(word)
    else if (word.includes('=') && takesValue.has(name)) leading.push(word)
    else if (takesValue.has(word) && index + 1 < argv.length) leading.push(word, argv[++index]!)
    else break
    index++
  }
  if (leading.length === 0) return argv
  const rest = argv.slice(index)
  const words = rest.findIndex((word) => word.startsWith('-'))
  const split = words === -1 ? rest.length : words
  return [...rest.slice(0, split), ...leading, ...rest.slice(split)]
}
