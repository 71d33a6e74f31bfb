/**
 * How many slots of one pool are promised to leases whose work its heartbeats do not show yet.
 *
 * A lease takes a slot at once; when its work has begun, the pool itself reports one slot less, and the lease must not
 * count a second time. A heartbeat that names its leases says so exactly. From others it is concluded: each slot that
 * has become busy since the last heartbeat is the work of one lease, the oldest first. Where that leaves a doubt, the
 * lease goes on counting: a slot may then stay empty until the lease ends, but never is the same slot given twice.
 */
export class SlotCount {
  /** By lease, oldest first: has a heartbeat shown its work? */
  readonly #shown = new Map<string, boolean>();
  #shownCount = 0;
  #busy: number | undefined;
  /** Heartbeats name their leases: nothing needs to be concluded. */
  #isNamed = false;
  /**
   * Leases that have ended without being seen: their work may have begun just before, and the slot that becomes busy is
   * theirs. They are remembered for two heartbeats, because one may have been under way when they ended; those that ran
   * out go on counting for as long.
   */
  #endedLately: Ended = { count: 0, counting: 0 };
  #endedBefore: Ended = { count: 0, counting: 0 };

  readonly #onFewer: () => void;

  /** `onFewer` is called when fewer may be promised. */
  constructor(onFewer: () => void = () => undefined) {
    this.#onFewer = onFewer;
  }

  /** Slots to take off from what the pool reports as free. */
  get promised(): number {
    return this.#shown.size - this.#shownCount + this.#endedLately.counting + this.#endedBefore.counting;
  }

  get leases(): number {
    return this.#shown.size;
  }

  grant(lease: string): void {
    this.#shown.set(lease, false);
  }

  /** Its work has ended, or will not begin. */
  release(lease: string): void {
    this.#end(lease, { counting: 0 });
  }

  /** Its time is over; its work may have begun a moment ago. */
  runOut(lease: string): void {
    this.#end(lease, { counting: 1 });
  }

  #end(lease: string, { counting }: { counting: number }): void {
    const wasShown = this.#shown.get(lease);
    if (wasShown === undefined) return;
    this.#shown.delete(lease);
    this.#onFewer();
    if (wasShown) {
      this.#shownCount -= 1;
      return;
    }
    this.#endedLately.count += 1;
    this.#endedLately.counting += counting;
    if (this.#isNamed) return;
    for (const [other, shown] of this.#shown) {
      if (!shown) continue;
      // Perhaps this one's work was taken for the other's: then the other has not begun.
      this.#shown.set(other, false);
      this.#shownCount -= 1;
      return;
    }
  }

  /** A heartbeat: so many slots are busy; `named` are the leases that it counts, if it says so. */
  observe(busy: number, named: readonly string[] | undefined): void {
    const newlyBusy = Math.max(0, busy - (this.#busy ?? busy));
    this.#busy = busy;
    this.#isNamed = named !== undefined;
    if (named === undefined) this.#conclude(newlyBusy);
    else for (const lease of named) if (this.#shown.get(lease) === false) this.#show(lease);
    this.#endedBefore = this.#endedLately;
    this.#endedLately = { count: 0, counting: 0 };
    this.#onFewer();
  }

  /** The node has started anew: the next heartbeat says nothing about what has changed. */
  forgetBusy(): void {
    this.#busy = undefined;
  }

  #conclude(newlyBusy: number): void {
    let left = newlyBusy;
    for (const ended of [this.#endedBefore, this.#endedLately]) {
      const taken = Math.min(left, ended.count);
      left -= taken;
      ended.count -= taken;
      // Released leases count no longer, so that those which ran out are the last to be taken for seen.
      ended.counting = Math.min(ended.counting, ended.count);
    }
    for (const [lease, shown] of this.#shown) {
      if (left === 0) return;
      if (shown) continue;
      this.#show(lease);
      left -= 1;
    }
  }

  #show(lease: string): void {
    this.#shown.set(lease, true);
    this.#shownCount += 1;
  }
}

interface Ended {
  count: number;
  /** Those of them that ran out. */
  counting: number;
}
