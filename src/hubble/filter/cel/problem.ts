/** What is wrong with an expression, and where. */
export class CelProblem extends Error {
  readonly at: number

  constructor(detail: string, at: number) {
    super(`${detail}, at character ${at + 1}`)
    this.at = at
  }
}
