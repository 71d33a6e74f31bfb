/** What the campaign plays with: single files, and a model in shards that is there only when all of them are. */
const SINGLE = Array.from({ length: 5 }, (_, index) => `m${index}`);
const SHARDS = [1, 2, 3].map((n) => `s-0000${n}-of-00003.gguf`);

const FILES_BY_NAME: ReadonlyMap<string, readonly string[]> = new Map([
  ...SINGLE.flatMap((name): [string, string[]][] => [
    [`${name}.ckpt`, [`${name}.ckpt`]],
    [name, [`${name}.ckpt`]],
  ]),
  ['s.gguf', SHARDS],
  ['s', SHARDS],
]);

/** Ids and aliases: tasks come by either. */
export const NAMES: readonly string[] = [...FILES_BY_NAME.keys()];
export const IDS: readonly string[] = NAMES.filter((name) => name.includes('.'));
export const PATHS: readonly string[] = [...new Set([...FILES_BY_NAME.values()].flat())];

export function filesOf(name: string): readonly string[] {
  return FILES_BY_NAME.get(name) ?? [];
}
