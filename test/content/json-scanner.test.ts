import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JsonScanner } from '../../src/content/json-scanner.ts';
import { ShoalError } from '../../src/util/errors.ts';

const isInvalid = (error: unknown): boolean => error instanceof ShoalError && error.code === 'invalid';

function scannerOver(text: string): JsonScanner {
  // With neighbours on both sides, which must not be read.
  const bytes = Buffer.from(`"${text}"`);
  return new JsonScanner(bytes, 1, bytes.length - 1);
}

/** Builds what JSON.parse builds, out of every method of the scanner. */
function build(json: JsonScanner): unknown {
  const next = json.peek();
  if (next === '{') {
    const entries: [string, unknown][] = [];
    json.object((key) => {
      entries.push([key ?? '?', build(json)]);
    }, 10_000);
    return Object.fromEntries(entries);
  }
  if (next === '[') {
    const values: unknown[] = [];
    json.array(() => {
      values.push(build(json));
    });
    return values;
  }
  return next === '"' ? json.string(10_000) : json.count();
}

test('the scanner reads what JSON.parse reads', () => {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, fc.maxSafeNat(), fc.string({ unit: 'binary' }), tie('array'), tie('object')),
    array: fc.array(tie('value'), { maxLength: 4 }),
    object: fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 }),
  }));
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 2, '\t'), (given, indent) => {
      const text = JSON.stringify(given, null, indent);
      const json = scannerOver(` ${text}\n`);
      assert.deepEqual(build(json), JSON.parse(text));
      json.finish();
    }),
  );
});

test('whatever JSON.parse takes can be stepped over', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const json = scannerOver(text);
      json.skip();
      json.finish();
    }),
  );
  for (const text of ['-0.5e+10', 'true', 'false', 'null', '[]', '{}', ' [ { } , [ ] ] ']) {
    const json = scannerOver(text);
    json.skip();
    json.finish();
  }
});

test('what is cut short or broken is refused, and nothing past the end is read', () => {
  const change = fc.record({
    at: fc.nat(),
    remove: fc.nat(2),
    insert: fc.constantFrom('', '"', '{', ']', ',', ':', '\\', 'x', '\0'),
  });
  fc.assert(
    fc.property(fc.json(), change, (text, { at, remove, insert }) => {
      const index = at % (text.length + 1);
      const broken = text.slice(0, index) + insert + text.slice(index + remove);
      const json = scannerOver(broken);
      try {
        json.skip();
        json.finish();
      } catch (error) {
        assert.ok(isInvalid(error), String(error));
        return;
      }
      // Escapes and control characters inside strings that nobody asked for are not looked at.
      if (/[\\\p{Cc}]/u.test(broken)) return;
      JSON.parse(broken.replaceAll(/(?<![\d.])(-?)0+(?=\d)/g, '$1'));
    }),
    { numRuns: 2000 },
  );
});

test('depth, long strings and numbers that count nothing have bounds', () => {
  assert.throws(() => scannerOver('['.repeat(1_000_000)).skip(), isInvalid);
  assert.throws(() => scannerOver('{"a":'.repeat(1_000_000)).skip(), isInvalid);
  assert.equal(scannerOver(`"${'x'.repeat(100)}"`).string(99), undefined);
  assert.throws(() => scannerOver('"\\').string(9), isInvalid);
  assert.throws(() => scannerOver('"\\q"').string(9), isInvalid);
  for (const text of ['-1', '1.5', '1e3', '0x10', '9007199254740992', '', '1'.repeat(1_000_000), 'true']) {
    assert.throws(() => scannerOver(text).count(), isInvalid, text.slice(0, 20));
  }
});
