/** The thread of flows: what `HubbleThread` starts. */
import {parentPort, workerData} from 'node:worker_threads'
import {EventStream} from '../../datapath/events.ts'
import {pinnedMaps} from '../../datapath/maps/open.ts'
import {CiliumError} from '../../runtime/errors.ts'
import type {FromWorker, ToWorker, WorkerOptions} from './messages.ts'
import {NodeServer} from './node-server.ts'

const countsEveryMs = 1000

const options = workerData as WorkerOptions
const port = parentPort!
const tell = (message: FromWorker) => port.postMessage(message)

try {
  const stream = new EventStream(pinnedMaps(options.pinRoot))
  const server = new NodeServer(options, stream, {
    trouble: (message) => tell({kind: 'trouble', message}),
    dropped: (notices) => tell({kind: 'drops', notices}),
  })
  port.on('message', (message: ToWorker) => {
    if (message.kind !== 'stop') return server.hear(message)
    void server.stop().finally(() => {
      stream.close()
      port.close()
      process.exit()
    })
  })
  await server.start()
  setInterval(() => tell({kind: 'counts', counts: server.counts}), countsEveryMs)
  tell({kind: 'ready'})
} catch (thrown) {
  const {code, fields, message} = CiliumError.from(thrown)
  const texts = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, String(value)]))
  tell({kind: 'failed', code, fields: texts, message})
  port.close()
}
