/** A layer that is moved and enlarged below a window. Shows all of it until somebody moves it. */
import {element} from './element.ts'

const scaleMin = 0.08
const scaleMax = 2
const margin = 28
const readable = 0.55

export class Viewport {
  /** on the empty ground */
  onClick: () => void = () => {}
  readonly #at: HTMLElement
  readonly #window: HTMLElement
  readonly #layer: HTMLElement
  #content = {width: 0, height: 0}
  #x = 0
  #y = 0
  #scale = 1
  #moved = false

  constructor(at: HTMLElement, layer: HTMLElement) {
    this.#at = at
    this.#layer = layer
    this.#window = element('div', {class: 'window'}, layer)
    at.append(this.#window)
    this.#window.addEventListener('wheel', (event) => this.#wheel(event), {passive: false})
    this.#window.addEventListener('pointerdown', (event) => this.#grab(event))
    new ResizeObserver(() => this.#moved || this.fit()).observe(at)
  }

  size(width: number, height: number): void {
    this.#content = {width, height}
    if (!this.#moved) this.fit()
  }

  followAll(): void {
    this.#moved = false
    this.fit()
  }

  fit(): void {
    const {clientWidth: width, clientHeight: height} = this.#at
    const {width: w, height: h} = this.#content
    if (width === 0 || w === 0 || h === 0) return
    this.#moved = false
    this.#scale = Math.max(scaleMin, Math.min(1, (width - 2 * margin) / w, (height - 2 * margin) / h))
    this.#x = (width - w * this.#scale) / 2
    this.#y = (height - h * this.#scale) / 2
    this.#apply()
  }

  /** Around the middle, or a point of the window. */
  zoom(factor: number, at?: {x: number; y: number}): void {
    const {x, y} = at ?? {x: this.#at.clientWidth / 2, y: this.#at.clientHeight / 2}
    const scale = Math.max(scaleMin, Math.min(scaleMax, this.#scale * factor))
    this.#x = x - ((x - this.#x) * scale) / this.#scale
    this.#y = y - ((y - this.#y) * scale) / this.#scale
    this.#scale = scale
    this.#moved = true
    this.#apply()
  }

  /** Moves only when the box is not wholly in the window. */
  show(x: number, y: number, width: number, height: number): void {
    const left = this.#x + x * this.#scale
    const top = this.#y + y * this.#scale
    const shift = (low: number, size: number, room: number) =>
      low < margin ? margin - low : low + size > room - margin ? room - margin - low - size : 0
    const dx = shift(left, width * this.#scale, this.#at.clientWidth)
    const dy = shift(top, height * this.#scale, this.#at.clientHeight)
    if (dx === 0 && dy === 0) return
    this.#x += dx
    this.#y += dy
    this.#moved = true
    this.#apply()
  }

  /** Brings a part into sight, when it is too small to read or out of it. */
  frame(x: number, y: number, width: number, height: number): void {
    const {clientWidth, clientHeight} = this.#at
    const fits = Math.min(1, (clientWidth - 2 * margin) / width, (clientHeight - 2 * margin) / height)
    if (this.#scale < Math.min(readable, fits)) {
      this.#scale = Math.max(scaleMin, fits)
      this.#x = (clientWidth - width * this.#scale) / 2 - x * this.#scale
      this.#y = (clientHeight - height * this.#scale) / 2 - y * this.#scale
      this.#moved = true
      this.#apply()
    } else this.show(x, y, width, height)
  }

  #apply(): void {
    this.#layer.style.transform = `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`
    this.#at.classList.toggle('far', this.#scale < readable)
    this.#at.classList.toggle('very-far', this.#scale < 0.3)
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault()
    const {left, top} = this.#at.getBoundingClientRect()
    this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), {
      x: event.clientX - left,
      y: event.clientY - top,
    })
  }

  #grab(down: PointerEvent): void {
    if (down.button !== 0 || (down.target as Element).closest('.card, .line') !== null) return
    const start = {x: this.#x, y: this.#y}
    let far = false
    const move = (event: PointerEvent) => {
      const [dx, dy] = [event.clientX - down.clientX, event.clientY - down.clientY]
      far ||= Math.hypot(dx, dy) > 4
      if (!far) return
      this.#moved = true
      this.#x = start.x + dx
      this.#y = start.y + dy
      this.#apply()
    }
    const up = () => {
      this.#window.removeEventListener('pointermove', move)
      if (!far) this.onClick()
    }
    this.#window.setPointerCapture(down.pointerId)
    this.#window.addEventListener('pointermove', move)
    this.#window.addEventListener('pointerup', up, {once: true})
  }
}
