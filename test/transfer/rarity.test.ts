import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Availability } from '../../src/transfer/piece-source.ts';
import { Rarity } from '../../src/transfer/rarity.ts';

const PIECES = 12;

type Step =
  | { readonly kind: 'join' | 'leave' | 'complete'; readonly peer: number }
  | { readonly kind: 'gain' | 'lose'; readonly peer: number; readonly piece: number };

const peer = fc.nat(3);
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('join' as const, 'leave' as const, 'complete' as const), peer }),
    fc.record({ kind: fc.constantFrom('gain' as const, 'lose' as const), peer, piece: fc.nat(PIECES - 1) }),
  ),
  { maxLength: 60 },
);

test('counts stay right while peers come, go, gain and lose pieces', () => {
  fc.assert(
    fc.property(steps, (story) => {
      const rarity = new Rarity(PIECES);
      const held = [0, 1, 2, 3].map(() => new Set<number>());
      const present = new Set<number>();
      const availabilityOf = (i: number): Availability => ({
        get complete() {
          return held[i]!.size === PIECES;
        },
        has: (index) => held[i]!.has(index),
        onChange: () => () => undefined,
      });
      for (const step of story) {
        const holds = held[step.peer]!;
        switch (step.kind) {
          case 'join':
            rarity.join(`${step.peer}`, availabilityOf(step.peer));
            present.add(step.peer);
            break;
          case 'leave':
            rarity.leave(`${step.peer}`);
            present.delete(step.peer);
            break;
          case 'complete':
            for (let i = 0; i < PIECES; i += 1) holds.add(i);
            break;
          case 'gain':
            holds.add(step.piece);
            break;
          case 'lose':
            holds.delete(step.piece);
            break;
        }
        rarity.refresh(`${step.peer}`);
        for (let index = 0; index < PIECES; index += 1) {
          assert.equal(rarity.copies(index), [...present].filter((i) => held[i]!.has(index)).length);
        }
      }
    }),
  );
});
