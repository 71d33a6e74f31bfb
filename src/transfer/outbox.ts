/** What only wants to be known goes along with the next message that must, or alone after so long. */
const MENTION_MS = 100;

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

  /** What should go at the end of this turn goes now. */
  endTurn(): void {
    if (this.#atTurnsEnd !== undefined) this.flush();
  }

  flush(): void {
    clearImmediate(this.#atTurnsEnd);
    this.#atTurnsEnd = undefined;
    clearTimeout(this.#mention);
    this.#mention = undefined;
    if (this.#messages.length === 0) return;
    const messages = this.#messages;
    const transfer = this.#transfer;
    this.#messages = [];
    this.#transfer = [];
    this.#post(messages, transfer);
  }
}
