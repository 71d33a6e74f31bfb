const nothingAsked = { name: undefined, answer: false };

/**
 * The names that a node or a pool offers, sorted. Most lists stay the same from one heartbeat to the next, and most pools
 * offer what their node offers: then the same object stands for both.
 */
export class ModelList {
  static readonly empty = new ModelList([]);
  readonly names: readonly string[];
  #set: ReadonlySet<string> | undefined;
  #json: Buffer | undefined;
  /** The question before: the pools of a node share a list, and are asked one after the other. */
  #asked: { readonly name: string | undefined; readonly answer: boolean } = nothingAsked;

  private constructor(names: readonly string[]) {
    this.names = names;
  }

  /** Returns `before` when nothing has changed. */
  static from(given: readonly string[], before: ModelList): ModelList {
    if (sameNames(given, before.names)) return before;
    const names = isSorted(given) ? given : [...new Set(given)].sort();
    if (names.length === 0) return ModelList.empty;
    return sameNames(names, before.names) ? before : new ModelList(names);
  }

  has(name: string): boolean {
    if (name === this.#asked.name) return this.#asked.answer;
    this.#set ??= new Set(this.names);
    this.#asked = { name, answer: this.#set.has(name) };
    return this.#asked.answer;
  }

  /** As JSON in UTF-8, encoded once. */
  json(): Buffer {
    this.#json ??= Buffer.from(JSON.stringify(this.names));
    return this.#json;
  }

  /** The names of both. */
  with(other: ModelList): ModelList {
    if (other === this || other.names.every((name) => this.has(name))) return this;
    return ModelList.from([...this.names, ...other.names], this);
  }
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

/** Strictly, so that nothing is there twice. */
function isSorted(names: readonly string[]): boolean {
  for (let index = 1; index < names.length; index += 1) {
    if ((names[index - 1] ?? '') >= (names[index] ?? '')) return false;
  }
  return true;
}
