import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenTable } from '../../src/orchestrator/token-table.ts';
import { ShoalError } from '../../src/util/errors.ts';

const refused = (error: unknown) => error instanceof ShoalError && error.code === 'unauthorized';

test('tokens for everything and tokens of nodes are told apart', () => {
  const tokens = TokenTable.parse('# the fleet\nfleet-token\n\nold-fleet-token\r\ngpu-1 its-own\n');
  assert.deepEqual(tokens.check('Bearer fleet-token'), { kind: 'fleet' });
  assert.deepEqual(tokens.check('Bearer old-fleet-token'), { kind: 'fleet' }, 'two, while one is replaced');
  assert.deepEqual(tokens.check('Bearer its-own'), { kind: 'node', nodeId: 'gpu-1' });
  assert.deepEqual([tokens.isNodeBound('gpu-1'), tokens.isNodeBound('gpu-2')], [true, false]);
});

test('what is not exactly "Bearer TOKEN" is refused', () => {
  const tokens = TokenTable.parse('right');
  for (const header of [
    ...[
      undefined,
      '',
      'Bearer',
      'Bearer ',
      'bearer right',
      'BEARER right',
      'Bearer  right',
      'Bearer right ',
      'Basic right',
    ],
    ...[
      'right',
      'Bearer wrong',
      'Bearer right\u0000',
      'Bearer ri\tght',
      `Bearer ${'x'.repeat(9_000)}`,
      'Bearer right right',
    ],
  ]) {
    assert.throws(() => tokens.check(header), refused, JSON.stringify(header));
  }
  const longest = 'x'.repeat(4_096);
  assert.deepEqual(TokenTable.parse(longest).check(`Bearer ${longest}`), { kind: 'fleet' });
});

test('a file without a token that may do everything, or with a line that is none, is refused', () => {
  for (const text of ['', '# nothing', 'gpu-1 its-own', 'a b c', 'tökén']) {
    assert.throws(
      () => TokenTable.parse(text),
      (error) => error instanceof ShoalError && error.code === 'invalid' && error.remedy !== undefined,
      text,
    );
  }
});
