import { outcomeOf } from './outcome.ts';
import { plainScenario } from './scenario.ts';
import { World } from './world.ts';

const args = Object.fromEntries(process.argv.slice(2).map((a) => a.split('='))) as Record<string, string>;
const n = (k: string, d: number) => Number(args[k] ?? d);
const s = {
  ...plainScenario({
    nodes: n('nodes', 8),
    mib: n('mib', 256),
    mbit: 50,
    originMbit: n('nas', 50),
    seed: n('seed', 1),
    latencyMs: n('lat', 1),
  }),
  haveBatchMs: n('batch', 50),
  slots: n('slots', 24),
  ...(args.q ? { quantumBytes: n('q', 0) } : {}),
};
const w = new World(s, {
  downloadOptions: (node) =>
    args.plain ? {} : { sharedOrigins: { self: node.name, fetchers: () => node.fetchers(), readers: n('readers', 8) } },
  neighboursOf: (_, k) => k,
});
const t = performance.now();
const ended = await w.run();
const o = outcomeOf(w, ended);
console.log(
  args,
  `ratio ${o.ratio.toFixed(4)} copies ${o.copies.toFixed(4)} waste ${o.wastedShare.toFixed(4)} fair ${o.fairness.toFixed(3)} spread ${o.spread.toFixed(3)} ended ${o.ended} wrong ${o.wrong.length}`,
  Math.round(performance.now() - t),
  'ms',
  o.events,
);
