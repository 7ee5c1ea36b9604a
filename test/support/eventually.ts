/** How many times as long as usual all may take: in an emulator nothing is quick. */
export const patience = Number(process.env['TEST_PATIENCE'] ?? 1)

/** Waits for a state that comes about by itself (over a socket, say). Throws with the last error when it does not. */
export async function eventually(condition: () => boolean | Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const end = performance.now() + timeoutMs * patience
  let thrown: unknown
  while (performance.now() < end) {
    try {
      if (await condition()) return
      thrown = undefined
    } catch (error) {
      thrown = error
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  throw thrown ?? new Error(`not within ${timeoutMs * patience} ms: ${condition}`)
}
