import { neighboursOf } from '../src/transfer/neighbours.ts';
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
    args['plain']
      ? {}
      : { sharedOrigins: { self: node.name, fetchers: () => node.fetchers(), readers: n('readers', 8) } },
  neighboursOf: (self, k) =>
    neighboursOf(
      { sha256: w.blob.sha256, self, max: n('max', 40), readers: n('readers', 8) },
      k.map((id) => ({ id, fetching: true })),
    ),
});
const t = performance.now();
if (args['trace']) {
  let last = 0;
  let lastN = 0;
  const step = () => {
    const o = w.origin.host.sentBytes;
    const nn = w.nodes.reduce((a, x) => a + x.host.sentBytes, 0);
    const c = w.nodes.map((x) => x.have.count).sort((a, b) => a - b);
    console.log(
      (w.time.monotonic() / 1000).toFixed(1),
      'origin',
      ((o - last) / w.origin.host.upBytesPerMs / 500).toFixed(2),
      'up',
      ((nn - lastN) / 500 / w.nodes.length / w.nodes[0]!.host.upBytesPerMs).toFixed(2),
      'have',
      c[0],
      c[c.length >> 1],
      c[c.length - 1],
      'union',
      new Set(w.nodes.flatMap((x) => [...x.have.indices()])).size,
      'busy',
      w.nodes.filter((x) => x.host.upBusy).length,
      'q',
      w.nodes
        .map((x) => x.host.sendable.length + (x.host.upBusy ? 1 : 0))
        .sort((a, b) => b - a)
        .slice(0, 12)
        .join(','),
    );
    last = o;
    lastN = nn;
    w.time.after(500, step);
  };
  step();
}
const ended = await w.run();
const o = outcomeOf(w, ended);
console.log(
  args,
  `ratio ${o.ratio.toFixed(4)} copies ${o.copies.toFixed(4)} waste ${o.wastedShare.toFixed(4)} fair ${o.fairness.toFixed(3)} spread ${o.spread.toFixed(3)} ended ${o.ended} wrong ${o.wrong.length}`,
  Math.round(performance.now() - t),
  'ms',
  o.events,
);
