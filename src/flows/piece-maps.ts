import { Bitfield } from '../content/bitfield.ts';
import { geometryOf } from '../content/piece-geometry.ts';
import type { Swarm } from '../swarm/swarm.ts';
import type { PieceMapView } from './fleet-view.ts';
import type { Holdings } from './holdings.ts';
import type { ModelView } from './views.ts';

/** A directory may have 100,000 files: those on their way are shown, as many as somebody looks at. */
const FILES_MAX = 24;
/** Whose have maps are looked at for one file. */
const PROVIDERS_MAX = 32;

export interface PieceMapsParts {
  readonly holdings: Holdings;
  readonly swarm: Swarm;
}

/** Which pieces of a model's files are here, and which could come now; only of files that are on their way. */
export function pieceMapsOf(model: ModelView, { holdings, swarm }: PieceMapsParts): PieceMapView[] {
  const maps: PieceMapView[] = [];
  const growing = new Set(holdings.partials().map(({ sha256 }) => sha256));
  for (const { path, sha256, sizeBytes } of model.files) {
    if (maps.length === FILES_MAX) break;
    if (sha256 === undefined || !growing.has(sha256)) continue;
    const have = holdings.haveMap(sha256)?.have;
    if (have === undefined) continue;
    const { pieceCount, pieceSizeBytes } = geometryOf(sizeBytes);
    const offered = model.origins.length > 0 ? Bitfield.full(pieceCount) : offeredBy(sha256, pieceCount, swarm);
    maps.push({
      ...{ path, sha256, sizeBytes, pieceSizeBytes, pieceCount },
      piecesHere: have.count,
      here: toBase64(have),
      offered: toBase64(offered),
    });
  }
  return maps;
}

function offeredBy(sha256: string, pieceCount: number, swarm: Swarm): Bitfield {
  const offered = new Bitfield(pieceCount);
  for (const { peerId } of swarm.fleet.providersOf(sha256).slice(0, PROVIDERS_MAX)) {
    const theirs = swarm.haveMaps.watch(sha256, peerId);
    if (theirs.complete) return Bitfield.full(pieceCount);
    for (let index = 0; index < pieceCount; index += 1) if (theirs.has(index)) offered.add(index);
  }
  return offered;
}

function toBase64(field: Bitfield): string {
  return Buffer.from(field.toBytes()).toString('base64');
}
