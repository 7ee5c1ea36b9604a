/**
 * Kubernetes Events: what a user sees with `kubectl describe`. Repeated events become a count on one object; an object
 * gets at most a burst of events, then one in a while; when the API server is slow the oldest wait no more.
 */
import {createHash} from 'node:crypto'
import type {Clock} from '../runtime/clock.ts'
import {systemClock} from '../runtime/clock.ts'
import {CiliumError, hasCode} from '../runtime/errors.ts'
import {type Log, silentLog} from '../runtime/log.ts'
import {BoundedQueue} from '../runtime/queue.ts'
import {escapeControls, redactText} from '../runtime/redact.ts'
import type {KubeClient} from './client.ts'
import {k8sErrors} from './errors.ts'
import {type Objects, objects} from './objects.ts'
import {type KubeObject, resources} from './resources.ts'

/** The object an event is about. */
export interface EventSubject {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string | undefined
  readonly uid?: string | undefined
}

export interface EventText {
  readonly type: 'Normal' | 'Warning'
  /** CamelCase, for machines */
  readonly reason: string
  readonly message: string
}

interface EventObject extends KubeObject {
  readonly involvedObject?: EventSubject
  readonly type?: string
  readonly reason?: string
  readonly message?: string
  readonly count?: number
  readonly firstTimestamp?: string
  readonly lastTimestamp?: string
  readonly source?: {readonly component: string; readonly host?: string}
  readonly reportingComponent?: string
  readonly reportingInstance?: string
}

interface Pending {
  readonly subject: EventSubject
  readonly text: EventText
  readonly at: number
}

const burst = 25
const refillMs = 300_000
const maxSubjects = 4096
const maxAggregates = 4096

export class EventRecorder {
  private readonly client: Objects<EventObject>
  private readonly component: string
  private readonly host: string | undefined
  private readonly clock: Clock
  private readonly log: Log
  private readonly queue = new BoundedQueue<Pending>({capacity: 1000})
  private readonly budgets = new Map<string, {tokens: number; at: number}>()
  private readonly aggregates = new Map<string, {readonly name: string; count: number}>()
  private readonly serial = Math.floor(Math.random() * 2 ** 40)
  private named = 0
  private dropped = 0
  private writing: Promise<void> | undefined

  constructor(options: {client: KubeClient; component: string; host?: string; clock?: Clock; log?: Log}) {
    this.client = objects<EventObject>(options.client, resources.events)
    this.component = options.component
    this.host = options.host
    this.clock = options.clock ?? systemClock
    this.log = (options.log ?? silentLog).for('k8s-events')
  }

  /** How many events were not written: too many of one object, or too many waiting. */
  get droppedCount(): number {
    return this.dropped
  }

  /** Records an event. Returns at once; a failure to write is logged and the event lost. */
  record(subject: EventSubject, text: EventText): void {
    if (!this.spend(subject) || !this.queue.push({subject, text, at: this.clock.now()})) {
      this.dropped++
      return
    }
    this.writing ??= this.write().finally(() => {
      this.writing = undefined
    })
  }

  /** Resolves when everything recorded so far is written or lost. */
  async drain(): Promise<void> {
    while (this.writing !== undefined) await this.writing
  }

  private async write(): Promise<void> {
    for (let pending = this.queue.poll(); pending !== undefined; pending = this.queue.poll()) {
      try {
        await this.send(pending)
      } catch (thrown) {
        this.dropped++
        this.log.warn('cannot write an event', {reason: pending.text.reason, error: CiliumError.from(thrown)})
      }
    }
  }

  private async send({subject, text, at}: Pending): Promise<void> {
    const namespace = subject.namespace ?? 'default'
    const message = escapeControls(redactText(text.message)).slice(0, 1024)
    const key = [subject.kind, namespace, subject.name, subject.uid, text.type, text.reason, message].join('\0')
    const time = new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')
    const known = this.aggregates.get(key)
    if (known !== undefined) {
      known.count++
      try {
        await this.client.mergePatch({namespace, name: known.name}, {count: known.count, lastTimestamp: time})
        return
      } catch (thrown) {
        // events live an hour: it may be gone
        if (!hasCode(thrown, k8sErrors.K8S_NOT_FOUND)) throw thrown
        this.aggregates.delete(key)
      }
    }
    const name = this.nameFor(subject)
    await this.client.create({
      metadata: {namespace, name},
      involvedObject: subject,
      type: text.type,
      reason: text.reason,
      message,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: {component: this.component, ...(this.host === undefined ? {} : {host: this.host})},
      reportingComponent: this.component,
      reportingInstance: this.host ?? '',
    })
    if (this.aggregates.size >= maxAggregates) this.aggregates.delete(this.aggregates.keys().next().value!)
    this.aggregates.set(key, {name, count: 1})
  }

  /** Unique over restarts and within the length that names may have. */
  private nameFor(subject: EventSubject): string {
    const unique = createHash('sha256')
      .update(`${this.component} ${this.host} ${this.serial} ${++this.named}`)
      .digest('hex')
    return `${subject.name.toLowerCase().slice(0, 230)}.${unique.slice(0, 16)}`
  }

  /** A bucket of `burst` per object that refills by one in five minutes, as client-go's spam filter. */
  private spend(subject: EventSubject): boolean {
    const key = `${subject.kind} ${subject.namespace} ${subject.name}`
    const now = this.clock.monotonic()
    const budget = this.budgets.get(key) ?? {tokens: burst, at: now}
    budget.tokens = Math.min(burst, budget.tokens + (now - budget.at) / refillMs)
    budget.at = now
    this.budgets.delete(key)
    if (this.budgets.size >= maxSubjects) this.budgets.delete(this.budgets.keys().next().value!)
    this.budgets.set(key, budget) // last in the map: the one used longest ago is first
    if (budget.tokens < 1) return false
    budget.tokens -= 1
    return true
  }
}
