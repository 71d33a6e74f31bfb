import type { Readable } from 'node:stream';

export interface ServerEvent {
  readonly event: string;
  readonly data: unknown;
}

/** Larger than any event; more without an end is no event stream. */
const EVENT_MAX_LENGTH = 16 * 2 ** 20;

/** Reads `text/event-stream` as far as our server writes it: `event` and one line of `data` in JSON. */
export async function* readEvents(body: Readable): AsyncGenerator<ServerEvent> {
  body.setEncoding('utf8');
  let text = '';
  try {
    for await (const chunk of body as AsyncIterable<string>) {
      text += chunk;
      if (text.length > EVENT_MAX_LENGTH) throw new Error('an event has no end');
      let end = text.indexOf('\n\n');
      while (end >= 0) {
        const event = parseEvent(text.slice(0, end));
        text = text.slice(end + 2);
        if (event !== undefined) yield event;
        end = text.indexOf('\n\n');
      }
    }
  } finally {
    body.destroy();
  }
}

/** Undefined for comments and settings. */
function parseEvent(block: string): ServerEvent | undefined {
  let event = 'message';
  let data: string | undefined;
  for (const line of block.split('\n')) {
    if (line.startsWith('event: ')) event = line.slice('event: '.length);
    else if (line.startsWith('data: ')) data = line.slice('data: '.length);
  }
  return data === undefined ? undefined : { event, data: JSON.parse(data) as unknown };
}
