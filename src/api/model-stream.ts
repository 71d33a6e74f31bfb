import { Readable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import type { ModelView } from '../flows/views.ts';

/** Files between two rests: about a millisecond of work. */
const FILES_PER_CHUNK = 200;

/**
 * `{"models": […]}` in chunks, with a rest after each: a list of 10,000 models keeps no other request waiting, and a
 * slow reader holds back the encoding.
 */
export function modelListStream(models: readonly ModelView[], next: string | undefined): Readable {
  return Readable.from(encode(models, next), { objectMode: false });
}

async function* encode(models: readonly ModelView[], next: string | undefined): AsyncGenerator<string> {
  let chunk = '{"models":[';
  let files = 0;
  for (const [index, model] of models.entries()) {
    const separator = index === 0 ? '' : ',';
    if (model.files.length <= FILES_PER_CHUNK) {
      chunk += separator + JSON.stringify(model);
    } else {
      // One directory can hold 100,000 files: its list is divided as well.
      const { files: all, ...rest } = model;
      chunk += `${separator}${JSON.stringify(rest).slice(0, -1)},"files":[`;
      for (let from = 0; from < all.length; from += FILES_PER_CHUNK) {
        const part = JSON.stringify(all.slice(from, from + FILES_PER_CHUNK)).slice(1, -1);
        yield chunk + (from === 0 ? '' : ',') + part;
        chunk = '';
        await setImmediate();
      }
      chunk = ']}';
    }
    files += Math.min(model.files.length, FILES_PER_CHUNK) + 1;
    if (files >= FILES_PER_CHUNK) {
      yield chunk;
      chunk = '';
      files = 0;
      await setImmediate();
    }
  }
  yield `${chunk}]${next === undefined ? '' : `,"next":${JSON.stringify(next)}`}}`;
}
