import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { codeOf, messageOf, ShoalError } from '../util/errors.ts';
import type { UrlDownloadFact, UrlDownloadOrder } from './url-download-order.ts';
import { openUrl } from './url-reader.ts';

/** A worker of its own: the bytes of a download never touch the main thread. */

const PROGRESS_MS = 100;

const tell = (fact: UrlDownloadFact): void => parentPort?.postMessage(fact);

async function download({ place, file, bytesPerSecond }: UrlDownloadOrder): Promise<void> {
  const handle = await open(file, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o644);
  try {
    const begun = (await handle.stat()).size;
    const source = place.kind === 'http' ? await openUrl(place, begun) : await openFile(place, begun);
    if (source.offset < begun) await handle.truncate(source.offset);
    const answer = new Promise<void>((resolve) => parentPort?.once('message', () => resolve()));
    tell({ kind: 'begins', bytesTotal: source.bytesTotal, bytesDone: source.offset });
    // Not a byte is written before there is room for all of them.
    await answer;
    await copy(handle, source, bytesPerSecond);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function copy(
  handle: FileHandle,
  { offset, bytesTotal, body }: { offset: number; bytesTotal: number; body: AsyncIterable<Uint8Array> },
  bytesPerSecond: number,
): Promise<void> {
  const startMs = performance.now();
  let toldMs = startMs;
  let at = offset;
  for await (const chunk of body) {
    if (at + chunk.length > bytesTotal) throw new ShoalError('source-lied', 'the source sends more than it promised');
    for (let written = 0; written < chunk.length; ) {
      written += (await handle.write(chunk, written, chunk.length - written, at + written)).bytesWritten;
    }
    at += chunk.length;
    const nowMs = performance.now();
    if (nowMs - toldMs >= PROGRESS_MS) {
      toldMs = nowMs;
      tell({ kind: 'progress', bytesDone: at });
    }
    const aheadMs = ((at - offset) / bytesPerSecond) * 1000 - (nowMs - startMs);
    if (aheadMs > 0) await delay(aheadMs);
  }
  if (at < bytesTotal) throw new ShoalError('source-gone', `the source ended ${bytesTotal - at} bytes early`);
  tell({ kind: 'progress', bytesDone: at });
}

async function openFile(
  { path, root }: { path: string; root: string },
  offset: number,
): Promise<{ offset: number; bytesTotal: number; body: AsyncIterable<Uint8Array> }> {
  // Links below an origin may not lead out of it.
  const [real, realRoot] = await Promise.all([realpath(path), realpath(root)]);
  if (!real.startsWith(`${realRoot}/`)) throw new ShoalError('invalid', 'the file lies outside its origin');
  const handle = await open(real);
  const { size } = await handle.stat();
  const start = offset <= size ? offset : 0;
  return { offset: start, bytesTotal: size, body: handle.createReadStream({ start, highWaterMark: 1 << 20 }) };
}

try {
  await download(workerData as UrlDownloadOrder);
  tell({ kind: 'done' });
} catch (error) {
  tell({ kind: 'failed', code: codeOf(error), message: messageOf(error) });
}
parentPort?.close();
