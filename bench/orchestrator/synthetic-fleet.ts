import { seededRandom } from '../../src/util/random.ts';

export interface FleetSize {
  readonly nodes: number;
  readonly pools: number;
  /** Known in the whole fleet. */
  readonly models: number;
  readonly modelsPerNode: number;
}

export function nodeName(index: number): string {
  return `node-${String(index).padStart(5, '0')}`;
}

/** Ids as real ones are: folders, names, extensions. */
export function modelName(index: number): string {
  return `checkpoints/family-${index % 20}/model-${String(index).padStart(5, '0')}.safetensors`;
}

/** What a node has: a few that nearly everybody has, and its own choice of the rest. */
export function modelsOf(node: number, size: FleetSize): string[] {
  const random = seededRandom(node + 1);
  const chosen = new Set<number>();
  while (chosen.size < Math.min(size.modelsPerNode, size.models)) {
    // The square makes the first models the popular ones.
    chosen.add(Math.floor(random() ** 2 * size.models));
  }
  return [...chosen].map(modelName).sort();
}
