/** Elements from code. Text is set as text: nothing that comes from the cluster is ever read as markup. */

type Child = Node | string | undefined

interface Properties {
  readonly class?: string
  readonly [attribute: string]: string | number | boolean | undefined
}

export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  return fill(document.createElement(tag), properties, children)
}

export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly Child[]
): SVGElementTagNameMap[K] {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), properties, children)
}

export function button(label: string, properties: Properties, onClick: () => void): HTMLButtonElement {
  const made = element('button', {type: 'button', ...properties}, label)
  made.addEventListener('click', onClick)
  return made
}

/** Changes the text only where it differs: a screen reader is told nothing twice. */
export function setText(at: Element, text: string): void {
  if (at.textContent !== text) at.textContent = text
}

export function setAttribute(at: Element, name: string, value: string): void {
  if (at.getAttribute(name) !== value) at.setAttribute(name, value)
}

/** The element of the page with this id. */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`the page has no #${id}`)
  return found
}

function fill<E extends Element>(made: E, properties: Properties, children: readonly Child[]): E {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === false) continue
    made.setAttribute(name, value === true ? '' : String(value))
  }
  for (const child of children) if (child !== undefined) made.append(child)
  return made
}
