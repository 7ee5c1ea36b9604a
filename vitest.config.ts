import {defineConfig} from 'vitest/config'
import {patience} from './test/support/eventually.ts'

/**
 * One project per tier, fast ones first. `kernel`-like tiers need root and BPF; `lab` needs what scripts/test installs.
 * Tiers that own kernel state run their files one after another: they share one machine. Labs are apart from each
 * other, and wait more than they compute: two at once.
 */
const tier = (name: string, options: {timeoutMs: number; serial?: boolean; workers?: number}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    environment: 'node' as const,
    testTimeout: options.timeoutMs * patience,
    hookTimeout: options.timeoutMs * patience,
    pool: 'forks' as const,
    ...(options.serial ? {fileParallelism: false, sequence: {groupOrder: 1}} : {}),
    ...(options.workers ? {maxWorkers: options.workers, sequence: {groupOrder: 2}} : {}),
  },
})

export default defineConfig({
  test: {
    projects: [
      tier('unit', {timeoutMs: 10_000}),
      tier('stories', {timeoutMs: 10_000}),
      tier('cli', {timeoutMs: 30_000}),
      tier('ui', {timeoutMs: 240_000, serial: true}),
      tier('bpf', {timeoutMs: 120_000, serial: true}),
      tier('kernel', {timeoutMs: 60_000, serial: true}),
      tier('conformance', {timeoutMs: 600_000, serial: true}),
      tier('lab', {timeoutMs: 900_000, workers: 2}),
      // an hour: not part of ./scripts/test
      tier('soak', {timeoutMs: 900_000, serial: true}),
    ],
  },
})
