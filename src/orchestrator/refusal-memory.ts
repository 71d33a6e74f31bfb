/** What the reasons depend on, beside the fleet. */
export interface Question {
  readonly models: readonly string[];
  readonly digest?: string;
  readonly exclude: readonly string[];
}

/** What an answer was made of: when one of them has changed, it does not hold any more. */
export interface FleetVersions {
  readonly registry: number;
  readonly catalog: number;
}

/** Slots and leases change without a version: nobody reads in less time why there was none. */
export const KEPT_MS = 100;
/** Below that the reasons are found anew each time: it costs less than a millisecond. */
export const WORTH_POOLS = 1_000;
const ANSWERS_MAX = 64;

/** How many pools refused, by reason. */
interface Counted {
  readonly counts: Readonly<Record<string, number>>;
}

interface Kept<A> {
  readonly answer: A;
  readonly untilMs: number;
}

/**
 * Why a task found no place, for those who ask the same again at once: to say it of ten thousand pools takes milliseconds,
 * in which nobody else is served. Only what was refused is remembered; whether there is a place is asked anew each time.
 */
export class RefusalMemory<A extends Counted> {
  readonly #answers = new Map<string, Kept<A>>();
  #versions: FleetVersions = { registry: 0, catalog: 0 };

  get size(): number {
    return this.#answers.size;
  }

  /** What was answered lately, else what `find` says now. */
  recall(question: Question, now: { readonly versions: FleetVersions; readonly ms: number }, find: () => A): A {
    // Whoever excludes nodes has asked before and asks something else each time.
    if (question.exclude.length > 0) return find();
    const { registry, catalog } = now.versions;
    if (registry !== this.#versions.registry || catalog !== this.#versions.catalog) {
      this.#versions = now.versions;
      this.#answers.clear();
    }
    const key = JSON.stringify([question.models, question.digest]);
    const kept = this.#answers.get(key);
    if (kept !== undefined && now.ms < kept.untilMs) return kept.answer;
    const answer = find();
    this.#answers.delete(key);
    if (poolsIn(answer) < WORTH_POOLS) return answer;
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size < ANSWERS_MAX) break;
      this.#answers.delete(oldest);
    }
    this.#answers.set(key, { answer, untilMs: now.ms + KEPT_MS });
    return answer;
  }
}

function poolsIn({ counts }: Counted): number {
  let pools = 0;
  for (const count of Object.values(counts)) pools += count;
  return pools;
}
