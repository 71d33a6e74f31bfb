import { groupModels, type ModelGroup, shardOf } from '../content/model-rules.ts';
import { MultiMap } from '../util/multi-map.ts';

interface Folder {
  readonly files: Set<string>;
  readonly folders: Map<string, Folder>;
  /** Files that make this folder one model. */
  marks: number;
}

/**
 * Paths in buckets, such that all paths that could be one model, or whose models could get the same id, lie in the same
 * bucket. So after a change only the buckets it touched are grouped anew, and the result is that of grouping everything.
 */
export class PathIndex {
  readonly #root: Folder = makeFolder();
  readonly #keyOf = new Map<string, string>();
  readonly #buckets = new MultiMap<string, string>();
  readonly #dirty = new Set<string>();

  add(path: string): void {
    if (this.#keyOf.has(path)) return;
    const chain = this.#foldersOf(path, { make: true });
    const last = chain.at(-1) ?? this.#root;
    last.files.add(nameOf(path));
    this.#place(path);
    if (!isMark(path)) return;
    last.marks += 1;
    if (last.marks === 1) this.#placeAnew(folderOf(path), last);
  }

  remove(path: string): void {
    if (!this.#keyOf.has(path)) return;
    const chain = this.#foldersOf(path, { make: false });
    const last = chain.at(-1) ?? this.#root;
    last.files.delete(nameOf(path));
    this.#take(path);
    if (isMark(path)) {
      last.marks -= 1;
      if (last.marks === 0) this.#placeAnew(folderOf(path), last);
    }
    this.#prune(path, chain);
  }

  /** What is known of the path has changed; its bucket is to be grouped anew. */
  touch(path: string): void {
    const key = this.#keyOf.get(path);
    if (key !== undefined) this.#dirty.add(key);
  }

  /** The same for the bucket that a model of this id comes from. */
  touchId(id: string): void {
    const key = unsharded(this.#markedRoot(id) ?? id);
    if (this.#buckets.has(key)) this.#dirty.add(key);
  }

  /** Keys of the buckets that were touched since the last call. */
  takeDirty(): string[] {
    const keys = [...this.#dirty];
    this.#dirty.clear();
    return keys;
  }

  groups(key: string): ModelGroup[] {
    return groupModels(this.#buckets.of(key));
  }

  #place(path: string): void {
    const key = unsharded(this.#markedRoot(path) ?? path);
    this.#keyOf.set(path, key);
    this.#buckets.add(key, path);
    this.#dirty.add(key);
  }

  #take(path: string): void {
    const key = this.#keyOf.get(path) ?? '';
    this.#keyOf.delete(path);
    this.#buckets.delete(key, path);
    this.#dirty.add(key);
  }

  #placeAnew(path: string, folder: Folder): void {
    for (const inside of [...pathsIn(path, folder)]) {
      this.#take(inside);
      this.#place(inside);
    }
  }

  /** The outermost folder around the path that is one model. */
  #markedRoot(path: string): string | undefined {
    let at: Folder | undefined = this.#root;
    for (let slash = path.indexOf('/'), from = 0; slash !== -1; from = slash + 1, slash = path.indexOf('/', from)) {
      at = at.folders.get(path.slice(from, slash));
      if (at === undefined) return undefined;
      if (at.marks > 0) return path.slice(0, slash);
    }
    return undefined;
  }

  /** The folders around the path, outermost first, without the root. */
  #foldersOf(path: string, { make }: { make: boolean }): Folder[] {
    const chain: Folder[] = [];
    let at = this.#root;
    for (const name of path.split('/').slice(0, -1)) {
      let next = at.folders.get(name);
      if (next === undefined) {
        if (!make) return chain;
        next = makeFolder();
        at.folders.set(name, next);
      }
      chain.push(next);
      at = next;
    }
    return chain;
  }

  #prune(path: string, chain: readonly Folder[]): void {
    const names = path.split('/');
    for (let depth = chain.length - 1; depth >= 0; depth -= 1) {
      const folder = chain[depth];
      if (folder === undefined || folder.files.size > 0 || folder.folders.size > 0) return;
      (chain[depth - 1] ?? this.#root).folders.delete(names[depth] ?? '');
    }
  }
}

/**
 * `x-00001-of-00002.gguf` → `x.gguf`: the shards, the file they were merged into and a folder of that name compete for
 * one id. Repeated, because the whole may look like a shard itself.
 */
function unsharded(path: string): string {
  let at = path;
  for (let shard = shardOf(at); shard !== undefined; shard = shardOf(at)) at = shard.whole;
  return at;
}

function isMark(path: string): boolean {
  return groupModels([path])[0]?.kind === 'directory';
}

function makeFolder(): Folder {
  return { files: new Set(), folders: new Map(), marks: 0 };
}

function* pathsIn(path: string, folder: Folder): Iterable<string> {
  const prefix = path === '' ? '' : `${path}/`;
  for (const name of folder.files) yield `${prefix}${name}`;
  for (const [name, inside] of folder.folders) yield* pathsIn(`${prefix}${name}`, inside);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}
