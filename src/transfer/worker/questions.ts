import type { AnswerTo, Fact, Failure, Question, QuestionKind } from '../data-orders.ts';
import { revive } from '../failure.ts';

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

/** What this worker has asked the main thread and not been told yet. */
export class Questions {
  readonly #post: (fact: Fact) => void;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;

  constructor(post: (fact: Fact) => void) {
    this.#post = post;
  }

  /** @throws ShoalError what the main thread says instead of an answer */
  ask<K extends QuestionKind>(question: Extract<Question, { kind: K }>): Promise<AnswerTo<K>> {
    const ask = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(ask, { resolve, reject });
      this.#post({ kind: 'ask', ask, question });
    });
  }

  answered(ask: number, answer: unknown): void {
    this.#waiting.get(ask)?.resolve(answer as never);
    this.#waiting.delete(ask);
  }

  failed(ask: number, failure: Failure): void {
    this.#waiting.get(ask)?.reject(revive(failure));
    this.#waiting.delete(ask);
  }
}
