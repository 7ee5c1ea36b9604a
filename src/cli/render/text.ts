/**
 * What may reach a terminal. Names, labels and messages come from the cluster, so whoever may create a pod may choose
 * them: control characters in them could rewrite the screen or worse.
 */

// C0 and C1 controls, DEL, and the characters that reorder the text around them.
const unprintable = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const allButLayout = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const ownColour = /\u001b\[[0-9;]*m/g

/** One piece of cluster text, made safe for one line: control characters are dropped, line ends and tabs become blanks. */
export function clean(text: string): string {
  return text.replace(/[\r\n\t]+/g, ' ').replace(unprintable, '')
}

/** A whole rendered text: keeps line ends, tabs and the colours that renderers set, and nothing else. */
export function cleanLines(text: string): string {
  let out = ''
  let from = 0
  for (const colour of text.matchAll(ownColour)) {
    out += text.slice(from, colour.index).replace(allButLayout, '') + colour[0]
    from = colour.index + colour[0].length
  }
  return out + text.slice(from).replace(allButLayout, '')
}

/** JSON text with the control characters that JSON.stringify leaves as they are written as escapes. */
export function toJson(value: unknown): string {
  const text = JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? Number(part) : part), 2) ?? 'null'
  return text.replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
