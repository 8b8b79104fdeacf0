import { LANES } from '../../shared/envelope.ts'
import { STREAMS, type Stream } from '../../shared/streams.ts'
import { READERS } from '../base/stages.ts'

const WORKER = 'worker'

/** Returns the AsyncAPI 3.0 document: each stream as a channel, and who sends to it and receives from it. */
export function asyncapi(): object {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'mailsluice',
      version: '1',
      description:
        'The streams of mailsluice. Each is a Redis stream per partition and lane; the field `envelope` of an entry is JSON.',
    },
    defaultContentType: 'application/json',
    servers: { redis: { host: 'localhost:6379', protocol: 'redis', description: 'The Redis of REDIS_URL.' } },
    channels: Object.fromEntries(STREAMS.map(stream => [stream.name, channelOf(stream)])),
    operations: Object.fromEntries([...stageOperations(), ...workerOperations()]),
    components: {
      messages: Object.fromEntries(STREAMS.map(({ name }) => [name, messageOf(name)])),
      parameters: PARAMETERS,
    },
  }
}

const PARAMETERS = {
  prefix: { description: 'REDIS_PREFIX', default: 'mailsluice' },
  partition: {
    description:
      'The hash tag of the partition with its braces: a mailbox has one, and PARTITIONS says how many there are.',
    examples: ['{p00}', '{p07}'],
  },
  lane: {
    description: `The lane: nothing for ${LANES[0]}, which goes first; :${LANES[1]} for first syncs and resyncs.`,
    enum: ['', `:${LANES[1]}`],
  },
}

function channelOf({ name, forWorkers, fromWorkers }: Stream): object {
  const about = forWorkers
    ? 'For workers outside: read it with a consumer group of your own.'
    : fromWorkers
      ? 'Written by workers outside; no stage reads it.'
      : 'Between stages.'
  return {
    address: `{prefix}:{partition}:s:${name}{lane}`,
    description: about,
    parameters: Object.fromEntries(
      Object.keys(PARAMETERS).map(parameter => [parameter, { $ref: `#/components/parameters/${parameter}` }]),
    ),
    messages: { [name]: { $ref: `#/components/messages/${name}` } },
  }
}

function messageOf(name: string): object {
  return {
    name,
    contentType: 'application/json',
    payload: {
      schemaFormat: 'application/schema+json;version=2020-12',
      schema: { $ref: `./schemas/${name}.json` },
    },
  }
}

function stageOperations(): [string, object][] {
  return READERS.flatMap(({ name, reads, writes }) => [
    ...reads.map(stream => operation(name, 'receive', stream)),
    ...writes.map(stream => operation(name, 'send', stream)),
  ])
}

function workerOperations(): [string, object][] {
  return STREAMS.flatMap(stream => [
    ...(stream.forWorkers ? [operation(WORKER, 'receive', stream)] : []),
    ...(stream.fromWorkers ? [operation(WORKER, 'send', stream)] : []),
  ])
}

function operation(who: string, action: 'receive' | 'send', { name }: Stream): [string, object] {
  return [
    `${who}-${action}s-${name}`,
    {
      action,
      channel: { $ref: `#/channels/${name}` },
      messages: [{ $ref: `#/channels/${name}/messages/${name}` }],
    },
  ]
}
