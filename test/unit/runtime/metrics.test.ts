import {describe, expect, test} from 'vitest'
import {MetricRegistry} from '../../../src/runtime/metrics.ts'
import {registerProcessMetrics} from '../../../src/runtime/process-metrics.ts'

describe('exposition', () => {
  test('counters, gauges and histograms in the Prometheus text format, sorted by name', async () => {
    const registry = new MetricRegistry()
    const drops = registry.counter({
      name: 'cilium_drop_count_total',
      help: 'dropped packets',
      labels: ['reason', 'direction'],
    })
    drops.labels('Policy denied', 'INGRESS').inc()
    drops.labels('Policy denied', 'INGRESS').inc(4)
    registry.gauge({name: 'cilium_endpoint', help: 'endpoints\nmanaged'}).labels().set(3)
    const seconds = registry.histogram({name: 'cilium_a_seconds', help: 'time', labels: ['scope'], buckets: [0.1, 1]})
    for (const value of [0.05, 0.1, 0.5, 7]) seconds.labels('total').observe(value)

    expect(await registry.expose()).toBe(`# HELP cilium_a_seconds time
# TYPE cilium_a_seconds histogram
cilium_a_seconds_bucket{scope="total",le="0.1"} 2
cilium_a_seconds_bucket{scope="total",le="1"} 3
cilium_a_seconds_bucket{scope="total",le="+Inf"} 4
cilium_a_seconds_sum{scope="total"} 7.65
cilium_a_seconds_count{scope="total"} 4
# HELP cilium_drop_count_total dropped packets
# TYPE cilium_drop_count_total counter
cilium_drop_count_total{reason="Policy denied",direction="INGRESS"} 5
# HELP cilium_endpoint endpoints\\nmanaged
# TYPE cilium_endpoint gauge
cilium_endpoint 3
`)
  })

  test('label values are escaped and odd numbers are written as Prometheus reads them', () => {
    const registry = new MetricRegistry()
    const gauge = registry.gauge({name: 'g', help: '', labels: ['l']})
    gauge.labels('a"b\\c\nd').set(Number.POSITIVE_INFINITY)
    gauge.labels('n').set(Number.NEGATIVE_INFINITY)
    gauge.labels('nan').set(Number.NaN)
    expect(registry.render()).toContain('g{l="a\\"b\\\\c\\nd"} +Inf\ng{l="n"} -Inf\ng{l="nan"} NaN\n')
  })

  test('a metric with labels shows only once it has a value, and can be hidden or emptied', () => {
    const registry = new MetricRegistry()
    const counter = registry.counter({name: 'c', help: 'x', labels: ['l']})
    expect(registry.render()).toBe('')
    counter.labels('a').inc()
    counter.labels('b').inc()
    counter.remove('a')
    expect(registry.render()).not.toContain('"a"')
    registry.disable(['c'])
    expect(registry.render()).toBe('')
    registry.disable([])
    counter.clear()
    expect(registry.render()).toBe('')
  })

  test('collectors run before every exposition, and one that fails does not stop the others', async () => {
    const registry = new MetricRegistry()
    const gauge = registry.gauge({name: 'g', help: ''}).labels()
    let broken = true
    registry.onCollect(() => {
      if (broken) throw new Error('map is gone')
    })
    registry.onCollect(async () => gauge.inc(2))

    await expect(registry.expose()).rejects.toThrow('map is gone')
    broken = false
    expect(await registry.expose()).toContain('g 4\n')
  })
})

describe('limits', () => {
  test('label combinations beyond the limit are counted together', () => {
    const registry = new MetricRegistry()
    const counter = registry.counter({name: 'c', help: '', labels: ['pod'], maxSeries: 3})
    for (let i = 0; i < 100; i++) counter.labels(`pod-${i}`).inc()

    expect(counter.series.size).toBe(4)
    expect(counter.labels('other').value).toBe(97)
    expect(counter.overflow).toBe(97)
  })

  test('a wrong number of labels, a bad name and a second declaration are errors of the program', () => {
    const registry = new MetricRegistry()
    const counter = registry.counter({name: 'c', help: '', labels: ['a']})
    expect(() => counter.labels()).toThrow('c has the labels a')
    expect(() => registry.gauge({name: 'c', help: ''})).toThrow('declared twice')
    expect(() => registry.gauge({name: 'c-d', help: ''})).toThrow('not a metric name')
  })
})

test('gauges go up and down, counters can follow a count kept elsewhere', () => {
  const registry = new MetricRegistry()
  const gauge = registry.gauge({name: 'g', help: ''}).labels()
  gauge.inc()
  gauge.dec(3)
  const counter = registry.counter({name: 'c', help: ''}).labels()
  counter.set(42)
  expect(registry.render()).toMatch(/c 42\n(.*\n)*g -2\n/)
  expect(registry.names).toEqual(['c', 'g'])
})

test('a process shows itself', async () => {
  const registry = new MetricRegistry()
  const stop = registerProcessMetrics(registry, 'cilium')
  const text = await registry.expose()
  stop()
  expect(Number(/^cilium_process_resident_memory_bytes (\S+)/m.exec(text)![1])).toBeGreaterThan(1e7)
  expect(Number(/^cilium_process_open_fds (\S+)/m.exec(text)![1])).toBeGreaterThan(3)
  expect(text).toMatch(/cilium_version\{version="\d+\.\d+\.\d+",revision="dev",arch="\w+"\} 1/)
  expect(text).toContain('cilium_nodejs_eventloop_lag_seconds{quantile="0.99"}')
})
