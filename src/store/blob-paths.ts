/** Which files hold a blob. */
export class BlobPaths {
  readonly #paths = new Map<string, Set<string>>();

  add(sha256: string, path: string): void {
    const paths = this.#paths.get(sha256);
    if (paths === undefined) this.#paths.set(sha256, new Set([path]));
    else paths.add(path);
  }

  remove(sha256: string, path: string): void {
    const paths = this.#paths.get(sha256);
    paths?.delete(path);
    if (paths?.size === 0) this.#paths.delete(sha256);
  }

  of(sha256: string): Iterable<string> {
    return this.#paths.get(sha256) ?? [];
  }
}
