import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DraftFleet, type DraftNode } from './draft-fleet.ts';

const SEED = Number(process.env['SHOAL_TEST_SEED'] ?? '11');
const PIECES = 256;
const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;

function fleetOf(options: { seed?: number; originBytesPerSecond?: number } = {}): DraftFleet {
  return new DraftFleet({
    pieces: PIECES,
    seed: options.seed ?? SEED,
    originBytesPerSecond: options.originBytesPerSecond ?? 4 * MIB,
  });
}

async function allDone(fleet: DraftFleet, nodes: readonly DraftNode[]): Promise<void> {
  await fleet.clock.drive(Promise.all(nodes.map((node) => node.done)), HOUR_MS);
}

function told(fleet: DraftFleet): string {
  return `seed ${SEED}: ${[...fleet.nodes.values()].map((node) => `${node.id} read ${node.read}`).join(', ')}`;
}

test('cold nodes that begin together read an unpublished file about once', async (t) => {
  const fleet = fleetOf();
  const nodes = Array.from({ length: 4 }, () => fleet.join());
  await allDone(fleet, nodes);
  for (const node of nodes) assert.ok(node.isWholeOf('v1'));
  t.diagnostic(`${told(fleet)}, copies ${fleet.copies}, ${fleet.clock.monotonic()} ms`);
  assert.ok(fleet.copies <= 1.05, told(fleet));
  const boundMs = (fleet.draft.sizeBytes / fleet.originBytesPerSecond) * 1000;
  assert.ok(fleet.clock.monotonic() <= 1.15 * boundMs, `${fleet.clock.monotonic()} of ${boundMs} ms`);
});

test('nodes that begin together ask each other again at once, and read within a second', async () => {
  const fleet = fleetOf();
  const nodes = Array.from({ length: 4 }, () => fleet.join({ opensAfterMs: 250 }));
  await fleet.clock.advance(1_000);
  assert.ok(fleet.reader.read > 0);
  await allDone(fleet, nodes);
  assert.ok(fleet.copies <= 1.05, told(fleet));
});

test('when the node that reads is killed in the middle, the next one reads what is left', async (t) => {
  const fleet = fleetOf();
  const nodes = Array.from({ length: 4 }, () => fleet.join());
  await fleet.clock.advance(8_000);
  const { reader } = fleet;
  assert.ok(reader.read > 50, `${reader.read}`);
  fleet.kill(reader);
  const others = nodes.filter((node) => node !== reader);
  await allDone(fleet, others);
  for (const node of others) assert.ok(node.isWholeOf('v1'));
  t.diagnostic(`${told(fleet)}, copies ${fleet.copies}, ${fleet.clock.monotonic()} ms`);
  assert.ok(fleet.copies <= 1.15, told(fleet));
  assert.ok(fleet.clock.monotonic() <= 20_000, `${fleet.clock.monotonic()} ms`);
  assert.equal(others.filter(({ read }) => read > PIECES / 10).length, 1, told(fleet));
});

test('a reader whose own way to the origin is sick loses its turn to one that reads well', async (t) => {
  const fleet = fleetOf({ originBytesPerSecond: 16 * MIB });
  // Whoever begins alone is the reader of those that come.
  const sick = fleet.join({ mountBytesPerSecond: 300_000 });
  await fleet.clock.advance(2_500);
  assert.ok(sick.read > 0);
  const others = Array.from({ length: 3 }, () => fleet.join());
  await allDone(fleet, [sick, ...others]);
  for (const node of [sick, ...others]) assert.ok(node.isWholeOf('v1'));
  t.diagnostic(`${told(fleet)}, copies ${fleet.copies}, ${fleet.clock.monotonic()} ms`);
  // 64 MiB: 4 s for one that reads well, and more than three minutes for the sick one.
  assert.ok(fleet.clock.monotonic() <= 15_000, `${fleet.clock.monotonic()} ms`);
  assert.ok(fleet.copies <= 1.3, told(fleet));
});

test('an origin that is slow for everybody is read about once all the same', async (t) => {
  const fleet = fleetOf({ originBytesPerSecond: 1.5 * MIB });
  const nodes = Array.from({ length: 4 }, () => fleet.join());
  await allDone(fleet, nodes);
  for (const node of nodes) assert.ok(node.isWholeOf('v1'));
  t.diagnostic(`${told(fleet)}, copies ${fleet.copies}, ${fleet.clock.monotonic()} ms`);
  assert.ok(fleet.copies <= 1.3, told(fleet));
  assert.ok(nodes.filter(({ read }) => read > PIECES / 10).length <= 2, told(fleet));
});

test('a node that joins in the middle changes nothing for the reader, and gets everything from the others', async () => {
  const fleet = fleetOf();
  const first = Array.from({ length: 3 }, () => fleet.join());
  await fleet.clock.advance(8_000);
  const { reader } = fleet;
  const late = Array.from({ length: 5 }, () => fleet.join());
  await allDone(fleet, [...first, ...late]);
  for (const node of [...first, ...late]) assert.ok(node.isWholeOf('v1'));
  assert.ok(fleet.copies <= 1.1, told(fleet));
  for (const node of late) assert.ok(node.read < 5, told(fleet));
  assert.equal(fleet.reader, reader);
});

test('a reader that tells the hashes of other bytes is found out by everybody, and the file is read without it', async (t) => {
  for (let seed = 1; seed <= 3; seed += 1) {
    const fleet = fleetOf({ seed });
    const liar = fleet.join({ tells: 'a lie' });
    // It has begun before the others come, so that it is their reader.
    await fleet.clock.advance(3_000);
    assert.ok(liar.read > 5);
    const honest = Array.from({ length: 3 }, () => fleet.join());
    await allDone(fleet, honest);
    for (const node of honest) {
      assert.ok(node.isWholeOf('v1'), `seed ${seed}`);
      assert.equal(node.blame.isAllowed({ kind: 'peer', id: liar.id }), false, `seed ${seed}`);
      for (const other of honest)
        assert.ok(node.blame.isAllowed({ kind: 'peer', id: other.id }), `seed ${seed}: ${other.id} is blamed`);
    }
    t.diagnostic(`seed ${seed}: ${told(fleet)}`);
    // It may still be waiting for what it believes in.
    liar.stop();
  }
});

test('two nodes that read different bytes under one name end with what their own mounts have', async () => {
  const fleet = fleetOf();
  const one = [fleet.join(), fleet.join()];
  await fleet.clock.advance(2_000);
  const other = [fleet.join({ version: 'v2' }), fleet.join({ version: 'v2' })];
  await allDone(fleet, [...one, ...other]);
  for (const node of one) assert.ok(node.isWholeOf('v1'));
  for (const node of other) assert.ok(node.isWholeOf('v2'));
});

test('an origin that is gone when it has given all keeps nobody from finishing', async () => {
  const fleet = fleetOf();
  const nodes = Array.from({ length: 4 }, () => fleet.join({ uploadBytesPerSecond: 3 * MIB }));
  await fleet.clock.drive(
    (async () => {
      const known = (): number => Math.max(...nodes.map((node) => node.have.count));
      while (known() < PIECES) await fleet.clock.sleep(50, new AbortController().signal);
    })(),
    HOUR_MS,
  );
  fleet.originGone = true;
  await allDone(fleet, nodes);
  for (const node of nodes) assert.ok(node.isWholeOf('v1'));
});

test('with deaths and joins at any time everybody finishes, whatever the seed', async () => {
  for (let seed = 1; seed <= 4; seed += 1) {
    const fleet = fleetOf({ seed, originBytesPerSecond: 8 * MIB });
    const nodes = Array.from({ length: 5 }, () => fleet.join());
    for (let round = 0; round < 3; round += 1) {
      await fleet.clock.advance(500 + fleet.random() * 3_000);
      if (fleet.nodes.size > 2)
        fleet.kill(fleet.random() < 0.5 ? fleet.reader : ([...fleet.nodes.values()][0] as DraftNode));
      nodes.push(fleet.join());
    }
    const alive = nodes.filter((node) => fleet.nodes.has(node.id));
    await allDone(fleet, alive);
    for (const node of alive) assert.ok(node.isWholeOf('v1'), `seed ${seed}: ${told(fleet)}`);
  }
});
