import { type Random, seededRandom } from '../src/util/random.ts';
import type { Outcome } from './outcome.ts';
import { MIB, mbit, type NodeTraits, type Scenario } from './scenario.ts';
import { simulate } from './simulate.ts';

/** Simulations of all that can go wrong at once; `seed` names the first, and each next has the next. */
export async function* campaign(
  seed: number,
  runs: number,
): AsyncGenerator<{ readonly outcome: Outcome; readonly story: string }> {
  for (let run = 0; run < runs; run += 1) {
    const scenario = troubled(seed + run);
    yield { outcome: await simulate(scenario), story: tell(scenario) };
  }
}

/** Few pieces and little time, so that trouble meets every phase. The last node is honest and stays. */
export function troubled(seed: number): Scenario {
  const random = seededRandom(seed);
  const chance = (share: number): boolean => random() < share;
  const count = 2 + Math.floor(random() * 9);
  const spreadMs = 20_000;
  const nodes = Array.from({ length: count }, (_, index): NodeTraits => {
    const bytesPerSecond = mbit(pick([5, 20, 50, 50, 100], random));
    const startMs = chance(0.5) ? random() * 200 : random() * spreadMs;
    const plain = { bytesPerSecond, startMs };
    if (index === count - 1) return plain;
    const freezeMs = startMs + random() * spreadMs;
    return {
      ...plain,
      ...(chance(0.2) ? { dieMs: startMs + random() * spreadMs } : {}),
      ...(chance(0.2) ? { freezeMs, thawMs: freezeMs + random() * 15_000 } : {}),
      ...(chance(0.2) ? { corrupt: pick([0.05, 0.5, 1], random) } : {}),
      ...(chance(0.2) ? { stalls: pick([0.02, 0.3], random) } : {}),
      ...(chance(0.2) ? { busy: pick([0.1, 0.9], random) } : {}),
      ...(chance(0.15) ? { withoutOrigin: true } : {}),
    };
  });
  const cuts = Array.from({ length: Math.floor(random() * 3) }, () => {
    const fromMs = random() * spreadMs;
    const one = Math.floor(random() * count);
    return { between: [one, (one + 1) % count] as const, fromMs, untilMs: fromMs + 10_000 };
  });
  return {
    seed,
    blobBytes: pick([4, 8, 16], random) * MIB - 1000,
    nodes,
    originBytesPerSecond: mbit(pick([10, 50, 200], random)),
    latencyMs: pick([0.5, 2, 20], random),
    loss: pick([0, 0, 0.001], random),
    quantumBytes: 32 * 1024,
    recordMs: pick([50, 150, 1000], random),
    slots: 4,
    cuts,
    limitMs: 3_600_000,
  };
}

function pick<T>(items: readonly T[], random: Random): T {
  return items[Math.floor(random() * items.length)] as T;
}

function tell({ nodes, cuts = [] }: Scenario): string {
  const count = (name: keyof NodeTraits): number => nodes.filter((node) => node[name] !== undefined).length;
  return (
    `${nodes.length} nodes, ${count('dieMs')} die, ${count('freezeMs')} freeze, ${count('corrupt')} lie, ` +
    `${count('stalls')} stall, ${count('busy')} are busy, ${cuts.length} cables cut`
  );
}
