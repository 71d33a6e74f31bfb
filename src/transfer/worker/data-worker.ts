import { parentPort, workerData } from 'node:worker_threads';
import { loadBlake3 } from '../../content/blake3.ts';
import { ShoalError } from '../../util/errors.ts';
import { giveWayToMainThread } from '../../util/thread-priority.ts';
import type {
  Fact,
  LaneCredentials,
  Order,
  PieceOrder,
  PieceResult,
  ResultOf,
  TaskKind,
  TaskOrder,
} from '../data-orders.ts';
import { failureOf } from '../failure.ts';
import { Outbox } from '../outbox.ts';
import { GateTable } from '../write-gate.ts';
import { BlobTable } from './blob-table.ts';
import { hashPrefix, recheck } from './check-partial.ts';
import { copyFile } from './copy-file.ts';
import { Doze } from './doze.ts';
import { FdCache } from './fd-cache.ts';
import { hashOriginPiece, readOriginDocument, readOriginPiece } from './fetch-file.ts';
import { FirstReading } from './first-reading.ts';
import { GATHER_BYTES, Gathering } from './gathering.ts';
import type { HttpReader } from './http-reader.ts';
import { fetchOverLane } from './lane/fetch-lane.ts';
import type { LaneLines } from './lane/lane-lines.ts';
import { Line } from './line.ts';
import { listFiles } from './list-files.ts';
import { PieceSink } from './piece-sink.ts';
import { Questions } from './questions.ts';
import { receiveChunks } from './receive.ts';
import { serveFile } from './serve-file.ts';
import { Progress, type TaskContext } from './task.ts';
import { TaskTable } from './task-table.ts';
import { WriteBehind } from './write-behind.ts';

/** Entry of a data-plane worker: takes orders, moves bytes, tells facts. */

const port = parentPort;
if (port === null) throw new Error('data-worker.ts runs in a worker thread');
giveWayToMainThread();

const {
  blake3: preferred,
  lane,
  gates: gateMemory,
} = workerData as { blake3: 'native' | 'wasm'; lane: LaneCredentials | undefined; gates: SharedArrayBuffer };
const blake3 = await loadBlake3(preferred);
const gates = new GateTable(gateMemory);
const blobs = new BlobTable();
const behind = new WriteBehind();
const files = new FdCache();
/** Pieces of one origin are read one after the other, as a disk likes it. */
const originLine = new Line();
const firstReading = new FirstReading();
const outbox = new Outbox<Fact>((facts, transfer) => port.postMessage(facts, transfer));
const tasks = new TaskTable(outbox);
const questions = new Questions((fact) => outbox.put(fact));
const doze = new Doze({ beforehand: () => outbox.endTurn() });
let http: Promise<HttpReader> | undefined;
let lines: Promise<LaneLines> | undefined;

/** undici is loaded only where an HTTP origin is read. */
async function httpReader(): Promise<HttpReader> {
  http ??= import('./http-reader.ts').then((module) => new module.HttpReader());
  return await http;
}

/** TLS is loaded only where there are lanes. */
async function laneLines(): Promise<LaneLines> {
  const credentials = laneCredentials();
  lines ??= import('./lane/lane-lines.ts').then((module) => new module.LaneLines({ credentials, questions, doze }));
  return await lines;
}

function laneCredentials(): LaneCredentials {
  if (lane === undefined) throw new ShoalError('source-gone', 'this node has no lane');
  return lane;
}

async function withSink(
  order: PieceOrder,
  context: TaskContext,
  fill: (sink: PieceSink) => Promise<unknown>,
  onUnchecked?: (sink: PieceSink) => void,
): Promise<PieceResult> {
  const sink = new PieceSink(order, { ...blobs.target(order), gates, blake3, behind });
  try {
    await fill(sink);
    const result = await sink.finish(context, { unchecked: onUnchecked !== undefined });
    onUnchecked?.(sink);
    return result;
  } finally {
    sink.close();
  }
}

async function run(order: TaskOrder, context: TaskContext): Promise<ResultOf<TaskKind>> {
  switch (order.kind) {
    case 'receive':
      return await withSink(order, context, (sink) => receiveChunks(sink, context));
    case 'fetch-http': {
      const reader = await httpReader();
      let validator = order.validator;
      const progress = new Progress(context);
      const result = await withSink(order, context, async (sink) => {
        const { offset, length } = order.piece;
        const range = { offset, length, sizeBytes: order.sizeBytes };
        const gathering = new Gathering(sink, {
          length,
          space: { buffer: new Uint8Array(Math.min(length, GATHER_BYTES)) },
        });
        const take = (bytes: Uint8Array): void => {
          gathering.take(bytes);
          progress.add(bytes.length);
          doze.received(bytes.length);
        };
        validator = await reader.readRange(order.request, { range, validator }, take, context.signal);
      });
      return { ...result, validator };
    }
    case 'fetch-file':
      return await originLine.run(
        () => withSink(order, context, (sink) => readOriginPiece(order, sink, files, context)),
        context.signal,
      );
    case 'read-file': {
      let hash: Uint8Array = new Uint8Array();
      const result = await originLine.run(
        () =>
          withSink(
            order,
            context,
            (sink) => firstReading.read(order, sink, files, context),
            (sink) => {
              // A copy: to post a view is to copy the whole buffer behind it.
              hash = Uint8Array.from(sink.digest);
            },
          ),
        context.signal,
      );
      return { ...result, index: order.piece.index, hash };
    }
    case 'hash-file':
      return await originLine.run(() => hashOriginPiece(order, files, blake3, context), context.signal);
    case 'fetch-lane': {
      const peers = await laneLines();
      return await withSink(order, context, (sink) => fetchOverLane(order, sink, peers, context));
    }
    case 'open-lane':
      await (await laneLines()).get(order.peer, context.signal);
      return undefined;
    case 'serve-lane': {
      const { LaneListener } = await import('./lane/lane-listener.ts');
      const listener = new LaneListener({ credentials: laneCredentials(), questions, files, doze }, context);
      await listener.run(order.address, { shared: order.shared });
      return undefined;
    }
    case 'read':
      await serveFile(order, files, context);
      return undefined;
    case 'recheck':
      return { bitfield: (await recheck(order.partial.dir, order.manifest, blake3, context)).toBytes() };
    case 'hash-prefix':
      return await hashPrefix(order, context);
    case 'http-document': {
      const reader = await httpReader();
      return { bytes: await reader.readDocument(order.request, order.maxBytes, context.signal) };
    }
    case 'file-document':
      return { bytes: readOriginDocument(order.path, order.maxBytes) };
    case 'list-files':
      return await listFiles(order, context);
    case 'copy-file':
      return await copyFile(order, { blake3, gates }, context);
  }
}

port.on('message', (orders: readonly Order[]) => {
  for (const order of orders) take(order);
});

function take(order: Order): void {
  switch (order.kind) {
    case 'start':
      void tasks.start(order.task, (context) => run(order.order, context), failureOf);
      return;
    case 'control':
      tasks.control(order.task, order.control);
      return;
    case 'answer':
      questions.answered(order.ask, order.answer);
      return;
    case 'no-answer':
      questions.failed(order.ask, order.failure);
      return;
    case 'open-blob':
      blobs.open(order.blob, order.partial);
      return;
    case 'close-blob':
      blobs.close(order.blob);
      return;
  }
}
