import { Bitfield } from '../../src/content/bitfield.ts';
import type { FleetCellView, FleetNodeView, FleetView } from '../../src/flows/fleet-view.ts';
import { seededRandom } from '../../src/util/random.ts';

const FOLDERS = ['checkpoints/sdxl', 'checkpoints/sd15', 'loras', 'controlnet', 'vae', 'llm', 'upscale_models'];
const NAMES = ['juggernaut', 'dreamshaper', 'flux-dev', 'mistral-7b', 'qwen3-8b', 'ghibli', 'realvis', 'pony', 'canny'];

/** A seeded fleet: popular models are everywhere, rare ones on a few nodes; a few are on their way or damaged. */
export function bigFleet(options: {
  readonly nodes: number;
  readonly models: number;
  readonly seed?: number;
  readonly kind?: FleetView['kind'];
}): FleetView {
  const { kind = 'daemon', seed = 7 } = options;
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
  const ids = Array.from({ length: options.models }, (_, index) => {
    const folder = pick(FOLDERS);
    return `${folder}/${pick(NAMES)}-${String(index).padStart(4, '0')}.${folder === 'llm' ? 'gguf' : 'safetensors'}`;
  }).sort();
  const models = ids.map((id) => ({ id, sizeBytes: Math.round(2e8 + random() ** 3 * 2.4e10) }));
  const popularity = models.map(() => random() ** 2);
  const nodes: FleetNodeView[] = [];
  const installed: string[] = [];
  for (let node = 0; node < options.nodes; node += 1) {
    const bits = new Bitfield(models.length);
    const cells: FleetCellView[] = [];
    for (const [model, { sizeBytes }] of models.entries()) {
      if (random() < popularity[model]!) {
        bits.add(model);
        if (random() < 0.0005) cells.push({ model, state: 'differs' });
      } else if (random() < 0.004) {
        const bytesMissing = Math.round(sizeBytes * random());
        cells.push({ model, state: 'fetching', bytesTotal: sizeBytes, bytesMissing, etaMs: bytesMissing / 2e5 });
      } else if (random() < 0.002) cells.push({ model, state: pick(['queued', 'queued', 'corrupt', 'missing']) });
    }
    installed.push(Buffer.from(bits.toBytes()).toString('base64'));
    nodes.push({
      id: `gpu-${String(node + 1).padStart(3, '0')}`,
      status: node > 0 && random() < 0.02 ? 'offline' : 'online',
      address: `http://10.0.${node >> 8}.${node & 255}:7420`,
      ...(kind === 'daemon' && node === 0 ? {} : { seenMsAgo: Math.round(random() * 12_000) }),
      ...{ freeBytes: Math.round(random() * 2e12), totalBytes: 2e12 },
      ...(kind === 'daemon' ? {} : { slotsFree: Math.floor(random() * 4), slotsTotal: 4 }),
      cells: cells.map((cell) => (cell.etaMs === undefined ? cell : { ...cell, etaMs: Math.round(cell.etaMs) })),
    });
  }
  return { kind, revision: `big-${seed}`, ...(kind === 'daemon' ? { self: 0 } : {}), models, nodes, installed };
}
