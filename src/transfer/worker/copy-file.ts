import { createHash, type Hash } from 'node:crypto';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readSync, statSync } from 'node:fs';
import type { Blake3Engine, Blake3Stream } from '../../content/blake3.ts';
import { geometryOf, type PieceGeometry, pieceOffset } from '../../content/piece-geometry.ts';
import { sameStamp, stampOf } from '../../store/file-stamp.ts';
import { alignedBytes } from '../../util/aligned-bytes.ts';
import { ShoalError } from '../../util/errors.ts';
import type { CopyOrder, CopyResult } from '../data-orders.ts';
import type { GateTable, WriteGate } from '../write-gate.ts';
import { CopyJournal } from './copy-journal.ts';
import { writeFully } from './full-io.ts';
import { breathe, diskError, Progress, sourceError, type TaskContext } from './task.ts';

const STEP_BYTES = 1024 * 1024;
const step = alignedBytes(STEP_BYTES);

/**
 * Copies a file that nobody has hashed yet, in order, computing both digests on the way. After an interruption what the
 * journal says is there is hashed again from the local copy, which costs no read of the origin, and the rest is copied.
 * @throws ShoalError `source-gone`, `changed` when the source was written meanwhile, `disk-full`
 */
export async function copyFile(
  order: CopyOrder,
  { blake3, gates }: { readonly blake3: Blake3Engine; readonly gates: GateTable },
  context: TaskContext,
): Promise<CopyResult> {
  const geometry = geometryOf(order.sizeBytes);
  using open = new DisposableStack();
  const source = open.adopt(
    attempt(() => openSync(order.from, 'r')),
    closeSync,
  );
  const before = attempt(() => stampOf(fstatSync(source, { bigint: true })));
  // A mount may have held the thread until now, and what it wanted to write may have been given up and removed.
  const gate = gates.at(order.gate);
  const target = open.adopt(
    made(gate, () => openSync(order.to, constants.O_RDWR | constants.O_CREAT, 0o644)),
    closeSync,
  );
  const journal = open.adopt(
    made(gate, () => CopyJournal.open(order.journal, before)),
    (one) => one.close(),
  );
  const run: Run = {
    gate,
    progress: new Progress(context),
    sha256: createHash('sha256'),
    pieceHashes: new Uint8Array(geometry.pieceCount * 32),
  };
  if (before.sizeBytes !== order.sizeBytes) throw changed();
  const resumed = await rehash(run, { geometry, target, journal, blake3 }, context);
  if (!run.gate.pass(() => ftruncateSync(target, pieceEnd(geometry, resumed)))) throw cancelled();
  for (let index = resumed; index < geometry.pieceCount; index += 1) {
    const hash = blake3.create();
    await copyPiece(run, { geometry, index, source, target, hash }, context.signal);
    const digest = hash.digest();
    run.pieceHashes.set(digest, index * 32);
    write(run.gate, () => journal.append(digest));
  }
  const after = attempt(() => [fstatSync(source, { bigint: true }), statSync(order.from, { bigint: true })] as const);
  if (!after.every((stats) => sameStamp(stampOf(stats), before))) throw changed();
  run.progress.flush();
  const { sizeBytes, pieceSizeBytes } = geometry;
  const sha256 = run.sha256.digest('hex');
  return {
    sha256,
    pieceHashes: run.pieceHashes,
    sizeBytes,
    pieceSizeBytes,
    resumedBytes: pieceEnd(geometry, resumed),
  };
}

interface Run {
  readonly gate: WriteGate;
  readonly progress: Progress;
  sha256: Hash;
  readonly pieceHashes: Uint8Array;
}

/** How many pieces of the local copy are as the journal says. */
async function rehash(
  run: Run,
  parts: { geometry: PieceGeometry; target: number; journal: CopyJournal; blake3: Blake3Engine },
  context: TaskContext,
): Promise<number> {
  const { geometry, target, journal, blake3 } = parts;
  for (let index = 0; index < Math.min(journal.pieces.length, geometry.pieceCount); index += 1) {
    const recorded = journal.pieces[index];
    const hash = blake3.create();
    // The copy goes on where the first piece differs, and the sha256 must not have seen that one.
    const ahead = run.sha256.copy();
    const end = pieceEnd(geometry, index + 1);
    let at = pieceOffset(geometry, index);
    while (at < end) {
      const read = readSync(target, step, 0, Math.min(STEP_BYTES, end - at), at);
      if (read === 0) break;
      hash.update(step.subarray(0, read));
      ahead.update(step.subarray(0, read));
      at += read;
      context.tell({ kind: 'progress', bytes: 0 });
      await breathe(context.signal);
    }
    const digest = hash.digest();
    if (at < end || recorded === undefined || Buffer.compare(digest, recorded) !== 0) {
      journal.truncate(index);
      return index;
    }
    run.sha256 = ahead;
    run.pieceHashes.set(digest, index * 32);
  }
  return Math.min(journal.pieces.length, geometry.pieceCount);
}

async function copyPiece(
  run: Run,
  piece: { geometry: PieceGeometry; index: number; source: number; target: number; hash: Blake3Stream },
  signal: AbortSignal,
): Promise<void> {
  const end = pieceEnd(piece.geometry, piece.index + 1);
  for (let at = pieceOffset(piece.geometry, piece.index); at < end; ) {
    const position = at;
    const read = attempt(() => readSync(piece.source, step, 0, Math.min(STEP_BYTES, end - position), position));
    if (read === 0) throw changed();
    const bytes = step.subarray(0, read);
    write(run.gate, () => writeFully(piece.target, bytes, position));
    piece.hash.update(bytes);
    run.sha256.update(bytes);
    at += read;
    run.progress.add(read);
    await breathe(signal);
  }
}

function pieceEnd(geometry: PieceGeometry, count: number): number {
  return Math.min(geometry.sizeBytes, count * geometry.pieceSizeBytes);
}

function write(gate: WriteGate, call: () => void): void {
  if (!onDisk(() => gate.pass(call))) throw cancelled();
}

function made<T>(gate: WriteGate, call: () => T): T {
  const results: T[] = [];
  write(gate, () => results.push(call()));
  return results[0] as T;
}

function onDisk<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw diskError(error);
  }
}

function attempt<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw sourceError(error);
  }
}

function changed(): ShoalError {
  return new ShoalError('changed', "the origin's file is being written", {
    remedy: 'It is tried again when the file is at rest.',
  });
}

function cancelled(): DOMException {
  return new DOMException('the copy is no longer wanted', 'AbortError');
}
