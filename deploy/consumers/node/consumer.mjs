// Follow spikewatch's escalations with Node 22.22, or 24.6 and later: npm ci, then node consumer.mjs
//
// Variables: KAFKA_SERVERS (127.0.0.1:9092), TOPIC (escalations), GROUP (escalations-node).
// Replace handle() with your own code.

import { Consumer } from '@platformatic/kafka'

const { KAFKA_SERVERS = '127.0.0.1:9092', TOPIC = 'escalations', GROUP = 'escalations-node' } = process.env
const MOST_REMEMBERED = 100_000
const NEEDED = ['data', 'id', 'source', 'subject', 'time', 'type']

// Returns the CloudEvent in a record of either content mode, in the form of structured mode.
function read ({ headers, value }) {
  if (!value?.length) throw new Error('a record without a value')
  const named = Object.fromEntries([...headers].map(([name, text]) => [`${name}`, `${text}`]))
  let body = JSON.parse(value)
  const kind = named['content-type'] ?? ''
  if (named.ce_id && !kind.startsWith('application/cloudevents')) { // binary mode
    const attributes = Object.entries(named)
      .filter(([name]) => name.startsWith('ce_'))
      .map(([name, text]) => [name.slice('ce_'.length), text])
    body = { ...Object.fromEntries(attributes), datacontenttype: kind, data: body }
  }
  if (body?.specversion !== '1.0') throw new Error('no CloudEvent 1.0')
  const missing = NEEDED.filter(name => !body[name])
  if (missing.length) throw new Error(`a CloudEvent without ${missing.join(', ')}`)
  return body
}

// Sources and ids of handled events; after a crash, spikewatch may write an event again.
const handled = new Set()

function isNew ({ source, id }) {
  const key = JSON.stringify([source, id])
  if (handled.has(key)) return false
  handled.add(key)
  if (handled.size > MOST_REMEMBERED) handled.delete(handled.values().next().value)
  return true
}

// Replace this with your own code. It prints a line and tracks open episodes.
// An event whose data.suppressed is not null must not page anybody.
const open = new Set()

function handle ({ type, time, subject, data }) {
  const transition = type.split('.').at(-2)
  if (transition === 'resolved') open.delete(subject)
  else open.add(subject) // opened, reopened, updated, amended: the data describe the episode as it is now
  const where = data.product_area ?? 'everything'
  const quiet = data.suppressed ? ` (do not page: ${data.suppressed})` : ''
  console.log(
    `${time} ${transition.toUpperCase()} ${data.severity} ${where} of ${data.tenant}: ` +
    `${data.tickets} tickets, ${data.ratio} x; ${open.size} open${quiet}`
  )
}

const consumer = new Consumer({
  groupId: GROUP,
  clientId: GROUP,
  bootstrapBrokers: KAFKA_SERVERS.split(','),
  autocommit: false // commit what was handled, not what was fetched
})
const stream = await consumer.consume({ topics: [TOPIC], mode: 'committed', fallbackMode: 'earliest' })

for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stream.close())

for await (const record of stream) {
  let event
  try {
    event = read(record)
  } catch (error) { // retrying cannot help: report it and go on
    console.error(`skipped ${record.topic}[${record.partition}] ${record.offset}: ${error.message}`)
  }
  if (event && isNew(event)) handle(event) // if this throws, a restart resumes here
  await record.commit()
}
await consumer.close()
