import { shardOf } from '../content/model-rules.ts';
import { directoryMarkedBy } from './scan-rules.ts';

/**
 * A program takes a folder for a model when it sees its mark (`config.json`), and a set of shards when it sees the first:
 * these come last, so that what a program finds is whole.
 */
export function installOrder(paths: readonly string[]): string[] {
  return paths.toSorted((a, b) => Number(opens(a)) - Number(opens(b)));
}

export function removalOrder(paths: readonly string[]): string[] {
  return installOrder(paths).reverse();
}

function opens(path: string): boolean {
  return directoryMarkedBy(path) !== undefined || shardOf(path)?.index === 1;
}
