/** What only wants to be known goes along with the next message that must, or alone after so long. */
const MENTION_MS = 100;
/** What may go soon goes no oftener than this. */
const SOON_MS = 8;

/**
 * Messages on their way to another thread. Each posting may wake it, which costs as much as 100 KiB cost the network: all
 * of one turn of the event loop go together, in order.
 */
export class Outbox<Message> {
  readonly #post: (messages: readonly Message[], transfer: readonly ArrayBuffer[]) => void;
  #messages: Message[] = [];
  #transfer: ArrayBuffer[] = [];
  #atTurnsEnd: NodeJS.Immediate | undefined;
  #mention: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #postedMs = -Infinity;

  constructor(post: (messages: readonly Message[], transfer: readonly ArrayBuffer[]) => void) {
    this.#post = post;
  }

  put(message: Message, transfer: readonly ArrayBuffer[] = []): void {
    this.#messages.push(message);
    this.#transfer.push(...transfer);
    this.#atTurnsEnd ??= setImmediate(() => this.flush());
  }

  /** Goes along with the next message, and alone only if none comes soon. */
  mention(message: Message): void {
    this.#messages.push(message);
    if (this.#atTurnsEnd === undefined) this.#mention ??= setTimeout(() => this.flush(), MENTION_MS);
  }

  /** Goes at the end of this turn, or a few milliseconds later if something has only just gone. */
  soon(message: Message): void {
    const waitMs = this.#postedMs + SOON_MS - performance.now();
    if (waitMs <= 0) {
      this.put(message);
      return;
    }
    this.#messages.push(message);
    if (this.#atTurnsEnd === undefined) this.#soon ??= setTimeout(() => this.flush(), waitMs);
  }

  /** What should go at the end of this turn, or soon, goes now. */
  endTurn(): void {
    if (this.#atTurnsEnd !== undefined || this.#soon !== undefined) this.flush();
  }

  flush(): void {
    clearImmediate(this.#atTurnsEnd);
    this.#atTurnsEnd = undefined;
    clearTimeout(this.#mention);
    this.#mention = undefined;
    clearTimeout(this.#soon);
    this.#soon = undefined;
    if (this.#messages.length === 0) return;
    this.#postedMs = performance.now();
    const messages = this.#messages;
    const transfer = this.#transfer;
    this.#messages = [];
    this.#transfer = [];
    this.#post(messages, transfer);
  }
}
