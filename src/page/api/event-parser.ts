export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** More than any event of ours; whoever sends more is not answered to, but left. */
const EVENT_MAX_LENGTH = 2 ** 20;

/** Server-sent events out of pieces of text, as the HTML standard has it; ids and retry times are not used here. */
export class EventParser {
  readonly #maxLength: number;
  #rest = '';
  #event = '';
  #data: string[] = [];
  #length = 0;

  constructor(options: { readonly maxLength?: number } = {}) {
    this.#maxLength = options.maxLength ?? EVENT_MAX_LENGTH;
  }

  /** @throws RangeError when an event or a line grows beyond all bounds */
  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') this.#end(events);
      else this.#field(line);
    }
    this.#check(this.#rest.length);
    return events;
  }

  #field(line: string): void {
    const colon = line.indexOf(':');
    if (colon === 0) return; // a comment keeps the connection open
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    this.#length += line.length;
    this.#check(0);
    if (name === 'event') this.#event = value;
    else if (name === 'data') this.#data.push(value);
  }

  #end(events: ServerEvent[]): void {
    if (this.#data.length > 0) events.push({ event: this.#event || 'message', data: this.#data.join('\n') });
    this.#event = '';
    this.#data = [];
    this.#length = 0;
  }

  #check(pending: number): void {
    if (this.#length + pending > this.#maxLength) throw new RangeError('an event is too long');
  }
}
