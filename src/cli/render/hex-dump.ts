/** Bytes as people read them: sixteen a line, with their place before and their letters behind. */
const width = 16

export function hexDump(bytes: Uint8Array, indent = ''): string {
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += width) {
    const row = [...bytes.subarray(at, at + width)]
    const hex = row.map((byte) => byte.toString(16).padStart(2, '0'))
    const left = hex.slice(0, 8).join(' ').padEnd(23)
    const right = hex.slice(8).join(' ').padEnd(23)
    const letters = row.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    lines.push(`${indent}${at.toString(16).padStart(4, '0')}  ${left}  ${right}  |${letters}|`)
  }
  return lines.join('\n')
}
