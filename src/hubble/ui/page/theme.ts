/** Light, dark, or as the system has it. Remembered by the browser. */
import {setText} from './element.ts'

const themes = ['system', 'light', 'dark'] as const
type Theme = (typeof themes)[number]

const key = 'hubble-theme'
const labels: Readonly<Record<Theme, string>> = {system: '◐', light: '☀', dark: '☾'}

export function bindTheme(button: HTMLElement): void {
  const apply = (theme: Theme) => {
    document.documentElement.dataset['theme'] = theme
    setText(button, labels[theme])
    button.setAttribute('aria-label', `Colours: ${theme}`)
    button.title = `Colours: ${theme}`
  }
  const saved = themes.find((theme) => theme === read()) ?? 'system'
  apply(saved)
  button.addEventListener('click', () => {
    const now = document.documentElement.dataset['theme'] as Theme
    const next = themes[(themes.indexOf(now) + 1) % themes.length]!
    apply(next)
    try {
      localStorage.setItem(key, next)
    } catch {
      // a browser that remembers nothing: until the page is left
    }
  })
}

function read(): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}
