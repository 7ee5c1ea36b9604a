/** Exit codes of every command: fine, failed, wrong usage, checked and not healthy, interrupted. */
export const exitCodes = {ok: 0, failed: 1, usage: 2, unhealthy: 3, interrupted: 130} as const
