/** A time span in the two greatest units that say something: 3m12s, 2h5m, 4d3h. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const units = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ] as const
  const first = units.findIndex(([, size]) => seconds >= size)
  if (first === -1) return '0s'
  return units
    .slice(first, first + 2)
    .map(
      ([unit, size], index) => [unit, Math.floor((index === 0 ? seconds : seconds % units[first]![1]) / size)] as const,
    )
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${count}${unit}`)
    .join('')
}
