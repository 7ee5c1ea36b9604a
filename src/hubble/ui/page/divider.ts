/** The line between map and table, moved by pointer or arrow keys. */
import {element} from './element.ts'

const least = 15
const most = 85

export function addDivider(above: HTMLElement, main: HTMLElement): void {
  const line = element('div', {
    id: 'divider',
    role: 'separator',
    'aria-orientation': 'horizontal',
    'aria-label': 'Height of the map',
    'aria-valuemin': least,
    'aria-valuemax': most,
    tabindex: 0,
  })
  above.after(line)
  const set = (share: number) => {
    const bounded = Math.round(Math.max(least, Math.min(most, share)))
    main.style.setProperty('--map-share', `${bounded}%`)
    line.setAttribute('aria-valuenow', String(bounded))
  }
  set(60)
  line.addEventListener('pointerdown', (down) => {
    line.setPointerCapture(down.pointerId)
    const move = (event: PointerEvent) => {
      const {top, height} = main.getBoundingClientRect()
      set(((event.clientY - top) / height) * 100)
    }
    line.addEventListener('pointermove', move)
    line.addEventListener('pointerup', () => line.removeEventListener('pointermove', move), {once: true})
  })
  line.addEventListener('keydown', (event) => {
    const step = event.key === 'ArrowUp' ? -5 : event.key === 'ArrowDown' ? 5 : 0
    if (step === 0) return
    event.preventDefault()
    set(Number(line.getAttribute('aria-valuenow')) + step)
  })
}
