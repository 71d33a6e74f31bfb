import { setTimeout as delay } from 'node:timers/promises';
import { childController } from '../util/deadline.ts';
import type { Availability } from './piece-source.ts';

/** A peer tells what it has as soon as it is asked; one that keeps silent is opened all the same and may tell later. */
const FIRST_WORD_MS = 1000;

/** Resolves when the peer has told of a piece, or of none, or has had its time to. */
export async function firstWord(availability: Availability, pieceCount: number, signal: AbortSignal): Promise<void> {
  if (availability.complete) return;
  for (let index = 0; index < pieceCount; index += 1) if (availability.has(index)) return;
  const { controller, release } = childController(signal);
  const unlisten = availability.onChange(() => controller.abort());
  await delay(FIRST_WORD_MS, undefined, { signal: controller.signal }).catch(() => undefined);
  unlisten();
  release();
}
