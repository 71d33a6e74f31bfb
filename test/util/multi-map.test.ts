import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MultiMap } from '../../src/util/multi-map.ts';

test('values come and go one by one, and a key without any is not there', () => {
  const map = new MultiMap<string, string>();
  const steps: [change: () => void, at: string[]][] = [
    [() => map.add('k', 'a'), ['a']],
    [() => map.add('k', 'a'), ['a']],
    [() => map.add('k', 'b'), ['a', 'b']],
    [() => map.delete('k', 'c'), ['a', 'b']],
    [() => map.add('k', 'c'), ['a', 'b', 'c']],
    [() => map.delete('k', 'a'), ['b', 'c']],
    [() => map.delete('k', 'c'), ['b']],
    [() => map.delete('k', 'c'), ['b']],
    [() => map.add('k', 'd'), ['b', 'd']],
    [() => map.delete('k', 'd'), ['b']],
    [() => map.delete('k', 'b'), []],
  ];
  for (const [change, expected] of steps) {
    change();
    assert.deepEqual([...map.of('k')], expected);
    assert.equal(map.has('k'), expected.length > 0);
  }
  assert.deepEqual([...map.of('other')], []);
});
