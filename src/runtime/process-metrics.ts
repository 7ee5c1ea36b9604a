/** The metrics that every process of ours shows about itself: CPU, memory, file descriptors, event loop, version. */
import {readdirSync} from 'node:fs'
import {monitorEventLoopDelay} from 'node:perf_hooks'
import type {MetricRegistry} from './metrics.ts'
import {productVersion} from './version.ts'

/** Adds `<prefix>_process_*`, `<prefix>_nodejs_eventloop_lag_seconds` and `<prefix>_version`. @returns stops measuring */
export function registerProcessMetrics(registry: MetricRegistry, prefix: string): () => void {
  const cpu = registry.counter({name: `${prefix}_process_cpu_seconds_total`, help: 'CPU time used, seconds'}).labels()
  const resident = registry.gauge({name: `${prefix}_process_resident_memory_bytes`, help: 'resident memory'}).labels()
  const heap = registry.gauge({name: `${prefix}_process_heap_bytes`, help: 'JavaScript heap in use'}).labels()
  const files = registry.gauge({name: `${prefix}_process_open_fds`, help: 'open file descriptors'}).labels()
  const start = registry.gauge({name: `${prefix}_process_start_time_seconds`, help: 'start, Unix time'}).labels()
  const lag = registry.gauge({
    name: `${prefix}_nodejs_eventloop_lag_seconds`,
    help: 'event loop delay since the last scrape',
    labels: ['quantile'],
  })
  const {version, revision, arch} = productVersion()
  registry
    .gauge({name: `${prefix}_version`, help: 'build, constant 1', labels: ['version', 'revision', 'arch']})
    .labels(version, revision, arch)
    .set(1)
  start.set(Math.round((Date.now() - process.uptime() * 1000) / 1000))

  const delay = monitorEventLoopDelay({resolution: 20})
  delay.enable()
  registry.onCollect(() => {
    const {user, system} = process.cpuUsage()
    cpu.set((user + system) / 1e6)
    const memory = process.memoryUsage()
    resident.set(memory.rss)
    heap.set(memory.heapUsed)
    files.set(readdirSync('/proc/self/fd').length)
    lag.labels('0.5').set(delay.count === 0 ? 0 : delay.percentile(50) / 1e9)
    lag.labels('0.99').set(delay.count === 0 ? 0 : delay.percentile(99) / 1e9)
    delay.reset()
  })
  return () => delay.disable()
}
