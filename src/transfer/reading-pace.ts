/** What a reader must make of its turn where nothing is known of the origin: any sound disk and link give more. */
export const SLOWEST_BYTES_PER_SECOND = 2 * 1024 * 1024;
/** After so many that were too slow one after the other it is the origin that is slow. */
const SLOW_TURNS = 3;

interface Account {
  /** Of what hashes it has told. */
  told: number;
  /** What it has, by what it announces; it may read again what another has told. */
  has: number;
}

interface Mark extends Account {
  readonly atMs: number;
}

/**
 * Whether the node whose turn it is reads as fast as can be asked for: one with a sick link or disk makes progress, too,
 * and would throttle a whole fleet. Its rate is taken over windows from its first progress on. When several in a row were
 * too slow the demand falls to half of what the best of them has read, so that a slow origin is read by one like any
 * other. Pure.
 */
export class ReadingPace {
  readonly #windowMs: number;
  readonly #accounts = new Map<string, Account>();
  readonly #slow = new Set<string>();
  readonly #slowRates: number[] = [];
  #reader = '';
  #mark: Mark | undefined;
  #demand = SLOWEST_BYTES_PER_SECOND;

  constructor(options: { readonly windowMs: number }) {
    this.#windowMs = options.windowMs;
  }

  /** Its turn begins. */
  begin(reader: string): void {
    this.#reader = reader;
    this.#mark = undefined;
  }

  told(reader: string, bytes: number, nowMs: number): void {
    const account = this.#accountOf(reader);
    account.told += bytes;
    this.#markOnce(reader, account, nowMs);
  }

  has(reader: string, bytes: number, nowMs: number): void {
    const account = this.#accountOf(reader);
    account.has += bytes;
    this.#markOnce(reader, account, nowMs);
  }

  /** Judges the window that ends now, if one does. */
  isTooSlow(nowMs: number): boolean {
    if (this.#mark === undefined || nowMs - this.#mark.atMs < this.#windowMs) return false;
    const { told, has } = this.#accountOf(this.#reader);
    const bytes = Math.max(told - this.#mark.told, has - this.#mark.has);
    const rate = (bytes * 1000) / (nowMs - this.#mark.atMs);
    this.#mark = { told, has, atMs: nowMs };
    if (rate >= this.#demand) return false;
    this.#slowRates.push(rate);
    if (this.#slowRates.length >= SLOW_TURNS) {
      this.#demand = Math.max(...this.#slowRates.splice(0)) / 2;
      if (rate >= this.#demand) return false;
    }
    this.#slow.add(this.#reader);
    return true;
  }

  /** It had its turn, and was slower than could be asked for. */
  wasTooSlow(reader: string): boolean {
    return this.#slow.has(reader);
  }

  /** All have had their turn. */
  forgive(): void {
    this.#slow.clear();
  }

  #accountOf(reader: string): Account {
    let account = this.#accounts.get(reader);
    if (account === undefined) {
      account = { told: 0, has: 0 };
      this.#accounts.set(reader, account);
    }
    return account;
  }

  #markOnce(reader: string, { told, has }: Account, nowMs: number): void {
    if (reader === this.#reader) this.#mark ??= { told, has, atMs: nowMs };
  }
}
