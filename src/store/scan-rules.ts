import { parseModelPath } from '../content/model-path.ts';
import { groupModels, hasModelExtension } from '../content/model-rules.ts';

/** aria2 writes under the final name, and keeps a file beside it while it is not done. */
export const UNFINISHED_ENDING = '.aria2';

export function isHidden(path: string): boolean {
  return path.startsWith('.') || path.includes('/.');
}

/** A file whose name no other node would accept is not announced at all. */
export function canBeNamed(path: string): boolean {
  try {
    parseModelPath(path);
    return true;
  } catch {
    return false;
  }
}

/** The directory that the file at `path` makes one model, if it is such a mark. */
export function directoryMarkedBy(path: string): string | undefined {
  const [group] = groupModels([path]);
  return group?.kind === 'directory' ? group.id : undefined;
}

/** Which files may belong to a model: others (archives, previews, notes) are not worth hashing. */
export class ModelFolders {
  readonly #marked = new Set<string>();

  mark(directory: string): void {
    this.#marked.add(directory);
  }

  unmark(directory: string): void {
    this.#marked.delete(directory);
  }

  isMarked(directory: string): boolean {
    return this.#marked.has(directory);
  }

  concerns(path: string): boolean {
    if (hasModelExtension(path)) return true;
    for (let slash = path.lastIndexOf('/'); slash !== -1; slash = path.lastIndexOf('/', slash - 1)) {
      if (this.#marked.has(path.slice(0, slash))) return true;
      if (slash === 0) return false;
    }
    return false;
  }
}
