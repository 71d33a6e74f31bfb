import { existsSync, statSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from 'undici';
import { OrchestratorClient } from '../src/orchestrator/client.ts';
import { makeLora } from '../test/support/make-safetensors.ts';
import { OrchestratorProcess } from '../test/support/orchestrator-process.ts';
import { TestBed } from '../test/support/test-bed.ts';
import { eventually } from '../test/support/wait.ts';
import { type Benchmark, formatTable, median, numberOption, percentile, textOption } from './benchmark.ts';

const GOAL_P99_MS = 1_000;
const AT_A_TIME = 4;

interface LogMoment {
  readonly model: string;
  readonly atMs: number;
}

/** Longer than any of them takes, so that a placement which waits ends by being answered. */
const VISIBLE_WITHIN_MS = 60_000;

/**
 * From the moment a model is verified until `shoal orchestrator` places a task on that node: a placement that has waited
 * for the model since before it was there is answered. Two ways to get one: a file appears and is hashed (the log line says
 * when), or it is fetched from another node: measured from its last byte on the disk, which is earlier, so that digest,
 * fsync and installation count as well. All by one clock.
 */
export const benchmark: Benchmark = {
  summary: 'verified → a task is placed there  [--installs 200] [--models 0] [--dir DIR]',

  async run(args) {
    const installs = numberOption(args, '--installs', 200);
    const before = Number(textOption(args, '--models', '0'));
    const under = textOption(args, '--dir', existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
    await using bed = await TestBed.open({ under });
    const orchestrator = bed.own(await new OrchestratorProcess({ home: bed.directory }).start());
    const client = new OrchestratorClient({ url: orchestrator.url, dispatcher: new Agent({ connections: 64 }) });
    const options = { orchestrators: [orchestrator.url], args: ['--settle', '100ms'] };
    const source = await bed.daemon('source', options);
    const sink = await bed.daemon('sink', options);
    const place = async (name: string): Promise<void> => {
      const lora = await makeLora(join(bed.directory, `${name}.tmp`), { seed: name });
      await rename(lora.file, join(source.modelsDir, name));
    };
    for (let n = 0; n < before; n += 1) await place(`before-${n}.safetensors`);
    if (before > 0) await placedOn('source', `before-${before - 1}.safetensors`, client);

    const names = Array.from({ length: installs }, (_, n) => `m-${String(n).padStart(5, '0')}.safetensors`);
    const queue = names.values();
    const visible = new Map<string, number>();
    const worker = async (): Promise<void> => {
      for (const name of queue) {
        const onSource = placedOn('source', name, client);
        const onSink = placedOn('sink', name, client);
        onSink.catch(() => undefined); // it is awaited last
        await place(name);
        visible.set(`source/${name}`, await onSource);
        await eventually('sink hears', async () => (await sink.model(name).catch(() => undefined)) !== undefined);
        await sink.want(name);
        visible.set(`sink/${name}`, await onSink);
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    const hashed = moments(source.log.lines, 'file hashed', 'path').filter(({ model }) => model.startsWith('m-'));
    const installed = names.map((name) => ({ model: name, atMs: statSync(join(sink.modelsDir, name)).mtimeMs }));
    const results = [
      { way: 'file appears', node: 'source', moments: hashed },
      { way: 'fetched', node: 'sink', moments: installed },
    ].map(({ way, node, moments: all }) => {
      const ms = all.map(({ model, atMs }) => Math.max(0, (visible.get(`${node}/${model}`) ?? Infinity) - atMs));
      return {
        way,
        installs: ms.length,
        p50Ms: Math.round(median(ms)),
        p99Ms: Math.round(percentile(ms, 0.99)),
        worstMs: Math.round(Math.max(...ms)),
      };
    });
    console.log(
      formatTable([
        ['way', 'installs', 'p50 ms', 'p99 ms', 'worst ms'],
        ...results.map((one) => [one.way, one.installs, one.p50Ms, one.p99Ms, one.worstMs].map(String)),
      ]),
    );
    const missed = results.flatMap(({ way, installs: count, p99Ms }) => [
      ...(p99Ms > GOAL_P99_MS ? [`${way}: visible within ${p99Ms} ms at p99, the goal is ${GOAL_P99_MS} ms`] : []),
      ...(count < installs ? [`${way}: only ${count} of ${installs} were measured`] : []),
    ]);
    return { modelsBefore: before, results, missed };
  },
};

/** When the orchestrator would give a task to this node and no other, by the wall clock. */
async function placedOn(node: 'source' | 'sink', model: string, client: OrchestratorClient): Promise<number> {
  const exclude = [node === 'source' ? 'sink' : 'source'];
  const wish = { model, exclude, max_wait_ms: VISIBLE_WITHIN_MS };
  const answer = await client.place(wish, new AbortController().signal);
  const atMs = Date.now();
  if (answer.kind === 'refused') throw new Error(`${model} did not become visible on ${node}: ${answer.detail}`);
  return atMs;
}

function moments(lines: readonly Readonly<Record<string, unknown>>[], msg: string, field: string): LogMoment[] {
  return lines
    .filter((line) => line['msg'] === msg)
    .map((line) => ({ model: String(line[field]), atMs: Date.parse(String(line['time'])) }));
}
