/** Keeps secrets and control characters out of whatever leaves the process as text. */

const secretKey =
  /(^|[-_.])(token|password|passwd|secret|authorization|cookie|credentials?|private[-_]?key|client[-_]?key|psk)($|[-_.])/i
const camelSecretKey = /(token|password|secret|privateKey|clientKey|credential)s?$/i
const jsonWebToken = /\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]{6,}/g
const bearer = /\b(bearer|basic)\s+[\w.~+/=-]{8,}/gi
const privateKey = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g
const urlPassword = /(\w+:\/\/[^\s:/@]+):[^\s/@]+@/g

const hidden = '<redacted>'

/** True for names of fields whose values are never shown. */
export function isSecretName(name: string): boolean {
  return secretKey.test(name) || camelSecretKey.test(name)
}

/** Replaces tokens, private keys and passwords inside a text. */
export function redactText(text: string): string {
  // almost no text has any of these: look first, replace then
  if (text.length < 8 || !/eyJ|bearer|basic|PRIVATE KEY|:\/\//i.test(text)) return text
  return text
    .replace(jsonWebToken, hidden)
    .replace(bearer, `$1 ${hidden}`)
    .replace(privateKey, hidden)
    .replace(urlPassword, `$1:${hidden}@`)
}

/** The value of a field as it may be shown. */
export function redactField(name: string, value: string): string {
  return isSecretName(name) && value !== '' ? hidden : redactText(value)
}

/** Writes control characters (C0, DEL, C1) and line separators as escapes, so that a text stays on its line. */
export function escapeControls(text: string): string {
  if (!/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(text)) return text
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (char) => {
    if (char === '\n') return '\\n'
    if (char === '\r') return '\\r'
    if (char === '\t') return '\\t'
    const code = char.charCodeAt(0)
    return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`
  })
}
