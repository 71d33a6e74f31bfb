import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { displayText, mergeMetadata, validateMetadata } from '../../src/content/metadata.ts';

test('text for a screen is one short line without control characters, and stays as it is the second time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
      const shown = displayText(text);
      if (shown === undefined) return;
      assert.ok(shown.length > 0 && shown.length <= 256);
      assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}]/u);
      assert.ok(shown.isWellFormed());
      assert.equal(displayText(shown), shown);
    }),
  );
  assert.equal(displayText('  SD\u202e XL\n'), 'SD  XL');
  for (const nothing of ['', ' \n', 5, null, undefined]) assert.equal(displayText(nothing), undefined);
});

test('whatever is given, metadata has the known fields in bounds, or is none', () => {
  const fields = ['architecture', 'family', 'quantisation', 'name', 'parameters', 'contextLength', 'format', 'extra'];
  const given = fc.dictionary(fc.constantFrom(...fields), fc.oneof(fc.string(), fc.nat(), fc.anything()));
  fc.assert(
    fc.property(given, fc.constantFrom('gguf', 'safetensors', 'exe'), (value, format) => {
      const metadata = validateMetadata({ ...value, format });
      if (format === 'exe') {
        assert.equal(metadata, undefined);
        return;
      }
      assert.ok(metadata);
      assert.deepEqual(validateMetadata(metadata), metadata);
      assert.ok(Object.keys(metadata).every((key) => key !== 'extra' && fields.includes(key)));
      assert.ok(JSON.stringify(metadata).length < 5000);
    }),
  );
});

test('the parts of a model add up their parameters and share the rest', () => {
  assert.equal(mergeMetadata([]), undefined);
  assert.deepEqual(
    mergeMetadata([
      { format: 'safetensors', parameters: 5 },
      { format: 'safetensors', parameters: 7, family: 'sdxl', quantisation: 'F16' },
      { format: 'safetensors', family: 'flux' },
    ]),
    { format: 'safetensors', family: 'sdxl', parameters: 12, quantisation: 'F16' },
  );
});
