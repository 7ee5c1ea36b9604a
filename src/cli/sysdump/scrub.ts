/**
 * What leaves the cluster with a sysdump. Three nets, one behind the other: fields that hold secrets by their place
 * (environment, headers, Secret data), texts that look like secrets (tokens, keys, passwords), and the very secrets of
 * the cluster where whoever collects may read them.
 */
import {isSecretName, redactText} from '../../runtime/redact.ts'

const hidden = '<redacted>'

/** Annotations that hold a whole object once more, with all that was taken out of it. */
const droppedAnnotations = ['kubectl.kubernetes.io/last-applied-configuration']

/** Shorter texts stand in every file by chance. */
const leastSecret = 8

/** `password=…`, `"token": "…"`, `--api-key …`, `X-Auth-Token: …` in the middle of a text. */
const assignment =
  /((?:[\w.-]*(?:token|passw(?:or)?d|secret|credential|api[-_]?key|private[-_]?key|authorization|cookie|psk))["']?\s*(?:[:=]|\s)\s*["']?)([^\s"',;&}\]]{4,})/gi

export class Scrubber {
  #known: RegExp | undefined

  /** Adds secrets of the cluster: wherever they appear, as they are or in base64, they are taken out. */
  know(secrets: Iterable<string>): void {
    const forms = new Set<string>()
    for (const secret of secrets) {
      for (const form of [secret, ...secret.split(/\r?\n/)].map((text) => text.trim())) {
        if (form.length < leastSecret || /^(true|false|[\d.]+)$/.test(form)) continue
        forms.add(form)
        forms.add(Buffer.from(form).toString('base64'))
        forms.add(JSON.stringify(form).slice(1, -1))
      }
    }
    if (forms.size === 0) return
    const longestFirst = [...forms].sort((a, b) => b.length - a.length)
    this.#known = new RegExp(longestFirst.map((form) => form.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'), 'g')
  }

  /** A text without what it should not show; JSON in it, whole, in a fenced block or on a line, is looked into. */
  text(text: string): string {
    if (!/^\s*[{[]/.test(text))
      return text.includes('```\n')
        ? text.replace(/(```\w*\n)([\s\S]*?)(\n```)/g, (_, open, inside, close) => open + this.text(inside) + close)
        : this.#lines(text)
    // a line or two may follow the document
    const end = Math.max(text.lastIndexOf('\n}'), text.lastIndexOf('\n]'))
    for (const length of [text.length, ...(end < 0 ? [] : [end + 2])]) {
      try {
        const document = this.value(JSON.parse(text.slice(0, length)))
        const rest = text.slice(length)
        return (
          JSON.stringify(document, null, text.includes('\n') ? 2 : undefined) + (rest === '' ? '' : this.#lines(rest))
        )
      } catch {
        // no document after all
      }
    }
    return this.#lines(text)
  }

  /** Objects on lines of their own are looked into; the rest is text. */
  #lines(text: string): string {
    if (!/^\{.*\}$/m.test(text)) return this.#plain(text)
    return text
      .split('\n')
      .map((line) => {
        if (!/^\{.*\}$/.test(line)) return this.#plain(line)
        try {
          return JSON.stringify(this.value(JSON.parse(line)))
        } catch {
          return this.#plain(line)
        }
      })
      .join('\n')
  }

  #plain(text: string): string {
    const shaped = redactText(text).replace(assignment, (_, before: string) => before + hidden)
    return this.#known === undefined ? shaped : shaped.replace(this.#known, hidden)
  }

  /** An object of the cluster, or any JSON, without what it should not show. */
  value(value: unknown): unknown {
    return this.#value(value, '', false)
  }

  #value(value: unknown, name: string, isHeader: boolean): unknown {
    if (typeof value === 'string') {
      if (value === '') return value
      return isSecretName(name) || (isHeader && name !== 'name') ? hidden : this.text(value)
    }
    if (Array.isArray(value)) return value.map((item) => this.#value(item, name, isHeader))
    if (typeof value !== 'object' || value === null) return value
    return this.#map(value as Readonly<Record<string, unknown>>, isHeader)
  }

  #map(map: Readonly<Record<string, unknown>>, isHeader: boolean): unknown {
    const out: Record<string, unknown> = {}
    const isSecret = map['kind'] === 'Secret'
    for (const [key, value] of Object.entries(map)) {
      if (key === 'managedFields' || droppedAnnotations.includes(key)) continue
      if (isSecret && (key === 'data' || key === 'stringData')) out[key] = keysOnly(value)
      else if (/(^e|E)nv$/.test(key) && Array.isArray(value)) out[key] = value.map((one) => this.#variable(one))
      // of HTTP rules, probes and flows
      else if (/headers?$|headerMatches$/i.test(key)) out[key] = this.#value(value, key, true)
      else out[key] = this.#value(value, key, isHeader)
    }
    return out
  }

  /** An environment variable's name may be known; what it says, never: anybody puts anything there. */
  #variable(one: unknown): unknown {
    if (typeof one !== 'object' || one === null) return one
    const {value, ...rest} = one as {readonly value?: unknown}
    return value === undefined ? rest : {...rest, value: hidden}
  }
}

function keysOnly(data: unknown): unknown {
  if (typeof data !== 'object' || data === null) return hidden
  return Object.fromEntries(Object.keys(data).map((key) => [key, hidden]))
}
