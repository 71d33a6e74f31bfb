import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lateBound, lowerBound, ownBound } from '../../bench/fanout/bound.ts';
import { fanoutOptions } from '../../bench/fanout/options.ts';
import { missedGoals, type Score } from '../../bench/fanout/report.ts';

const BYTES = 125_000_000; // 1,000 megabits

test('on equal links the NAS, which must send one copy, is the bound', () => {
  assert.equal(lowerBound({ bytes: BYTES, nasMbit: 50, nodeMbits: Array<number>(8).fill(50) }), 20);
});

test('a slow node is the bound of the fleet, and not of the others', () => {
  const links = { bytes: BYTES, nasMbit: 50, nodeMbits: [25, 50, 100] };
  assert.equal(lowerBound(links), 40);
  assert.equal(ownBound(links, 0), 40);
  assert.equal(ownBound(links, 2), 20);
});

test('with a quick NAS all uplinks together are the bound', () => {
  const links = { bytes: BYTES, nasMbit: 60, nodeMbits: [100, 1, 1, 1] };
  assert.equal(lowerBound({ ...links, nodeMbits: [60, 60, 60, 60] }), 1000 / 60);
  assert.equal(lowerBound({ bytes: BYTES, nasMbit: 100, nodeMbits: [100, 100, 20, 20] }), 50);
  assert.equal(lowerBound({ bytes: BYTES, nasMbit: 30, nodeMbits: [40, 40] }), 1000 / 30);
});

test('who comes late is bound by its own link, or by a NAS that has not sent everything yet', () => {
  const links = { bytes: BYTES, nasMbit: 10, nodeMbits: [50, 50] };
  assert.equal(lateBound(links, 1, 50), 50);
  assert.equal(lateBound(links, 1, 90), 20);
});

test('goals are judged on files that are large enough, each kind of run by its own', () => {
  const score: Score = {
    ...{ contestant: 'shoal', slowestSeconds: 50, medianSeconds: 49, boundSeconds: 42.9, slowestToBound: 1.2 },
    ...{
      slowestToMedian: 1.02,
      worstToOwnBound: 1.2,
      nasCopies: 1.07,
      wastedMib: 0,
      longestWaitSeconds: 1,
      tailSeconds: 0.1,
    },
    ...{ cpuSeconds: 60, machineBusy: 0.8, peakMib: 200, lateToBound: undefined, facts: {} },
  };
  const missed = (...args: string[]): number => missedGoals(fanoutOptions(args), score).length;
  assert.equal(missed(), 1, 'above 1.15');
  assert.equal(missed('--mib', '64'), 0, 'too small to tell');
  assert.equal(missed('--nodes', '16'), 0, 'variants may take 1.3');
  assert.equal(missed('--kill', '2'), 0, 'survivors may take 1.25');
});

test('one fault at a time, and what is not known is refused', () => {
  assert.throws(() => fanoutOptions(['--join', '--cut', '10']), /one of/);
  assert.throws(() => fanoutOptions(['--against', 'rsync']), /not rsync/);
  assert.throws(() => fanoutOptions(['--nodes', '2', '--kill', '2']), /leave some/);
  assert.throws(() => fanoutOptions(['--unpublished', '--from-node']), /one of/);
  assert.throws(() => fanoutOptions(['--speed']), /--speed/);
});

test('unequal nodes have half, the same and twice the rate', () => {
  assert.deepEqual(fanoutOptions(['--nodes', '4', '--mbit', '40', '--unequal']).nodeMbits, [20, 40, 40, 80]);
});
