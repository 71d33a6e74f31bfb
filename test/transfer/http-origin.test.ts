import assert from 'node:assert/strict';
import { appendFile, mkdir, truncate, utimes, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadBlake3 } from '../../src/content/blake3.ts';
import { manifestCid } from '../../src/content/cid.ts';
import { makeModel } from '../../src/content/model.ts';
import { formatIndex } from '../../src/store/published-index.ts';
import { DataPlane } from '../../src/transfer/data-plane.ts';
import { HttpOrigin } from '../../src/transfer/http-origin.ts';
import { parseOriginUrl } from '../../src/transfer/origin-url.ts';
import { codeOf, messageOf } from '../../src/util/errors.ts';
import { silentLog } from '../../src/util/log.ts';
import { StaticOrigin } from '../support/static-origin.ts';
import { testPieceSource } from './piece-source.conformance.ts';
import { TestBlob, TestFolder } from './support/blob.ts';

const never = new AbortController().signal;
const blake3 = await loadBlake3();
const PATH = 'checkpoints/a model #1.safetensors';

function originAt(url: string, plane: DataPlane): HttpOrigin {
  const address = parseOriginUrl(url);
  assert.ok(address.kind === 'http');
  return new HttpOrigin({ address }, { plane, blake3 });
}

async function lay(root: string, blob: TestBlob): Promise<string> {
  const file = join(root, PATH);
  await mkdir(join(root, 'checkpoints'), { recursive: true });
  await writeFile(file, blob.bytes);
  return file;
}

testPieceSource({
  name: 'HTTP origin',
  codes: { corrupt: ['piece-corrupt'], short: ['source-gone'], long: ['source-lied'], gone: ['source-gone'] },
  async make({ plane, blob, folder, dir }) {
    const root = await folder.folder('nas');
    await lay(root, blob);
    const server = await StaticOrigin.start(root);
    const origin = originAt(server.url, plane);
    const faults = {
      corrupt: { kind: 'corrupt' },
      short: { kind: 'short', missingBytes: 1000 },
      long: { kind: 'ignore-range' },
      stall: { kind: 'stall', afterBytes: 5000 },
      gone: { kind: 'die', afterBytes: 5000 },
    } as const;
    return {
      open: () => origin.open(blob.target(dir), PATH, never),
      fault: (fault) => {
        server.misbehave(faults[fault]);
        return Promise.resolve();
      },
      heal: () => {
        server.heal();
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  },
});

/** An origin whose server answers as the test says. */
async function withServer(
  answer: RequestListener,
  work: (parts: { plane: DataPlane; folder: TestFolder; url: string }) => Promise<void>,
): Promise<void> {
  await using folder = await TestFolder.make();
  await using plane = new DataPlane({ workers: 1 }, { log: silentLog });
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await work({ plane, folder, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` });
  } finally {
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

test('HTTP origin: an answer that contradicts the request is refused, each under the code that fits', async () => {
  const blob = await TestBlob.make({ seed: 'contradictions' });
  const { length } = blob.bytes;
  const piece = blob.piece(1);
  const body = blob.bytesOf(piece);
  const right = `bytes ${piece.offset}-${piece.offset + piece.length - 1}/${length}`;
  const cases: [what: string, code: string, status: number, headers: Record<string, string>, body: Uint8Array][] = [
    ['the right one', 'ok', 206, { 'content-range': right }, body],
    ['unknown total', 'ok', 206, { 'content-range': right.replace(String(length), '*') }, body],
    ['another range', 'source-lied', 206, { 'content-range': `bytes 0-${piece.length - 1}/${length}` }, body],
    ['no range', 'source-lied', 206, {}, body],
    ['another size', 'source-gone', 206, { 'content-range': right.replace(/\d+$/, '999999999') }, body],
    ['compressed', 'source-lied', 206, { 'content-range': right, 'content-encoding': 'gzip' }, body],
    ['more than asked', 'source-lied', 206, { 'content-range': right }, Buffer.concat([body, body])],
    ['less than asked', 'source-gone', 206, { 'content-range': right }, body.subarray(1)],
    ['nothing', 'source-gone', 206, { 'content-range': right }, body.subarray(body.length)],
    ['the whole', 'source-lied', 200, {}, blob.bytes],
    ['too many', 'source-busy', 429, { 'retry-after': '1' }, new Uint8Array()],
    ['overloaded', 'source-busy', 503, {}, new Uint8Array()],
    ['lost', 'source-gone', 404, {}, new Uint8Array()],
    ['shorter', 'source-gone', 416, {}, new Uint8Array()],
    ['locked', 'source-gone', 401, {}, new Uint8Array()],
    ['broken', 'source-gone', 500, {}, new Uint8Array()],
  ];
  let now = cases[0];
  const answer: RequestListener = (_request, response) => {
    assert.ok(now);
    response.writeHead(now[2], now[3]);
    response.end(now[4]);
  };
  await withServer(answer, async ({ plane, folder, url }) => {
    const origin = originAt(url, plane);
    for (now of cases) {
      const dir = await folder.folder(now[0]);
      const source = await origin.open(blob.target(dir), PATH, never);
      const outcome = await source.fetch(piece, () => undefined, never).then(() => 'ok', codeOf);
      assert.equal(outcome, now[1], now[0]);
      assert.deepEqual(await blob.have(dir), now[1] === 'ok' ? [1] : []);
      await source.close();
    }
  });
});

test('HTTP origin: a file that is replaced between two pieces is noticed, by ETag or by its date', async () => {
  for (const header of ['etag', 'last-modified']) {
    const blob = await TestBlob.make({ seed: 'replaced' });
    let version = 1;
    const answer: RequestListener = (request, response) => {
      const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
      response.writeHead(206, {
        'content-range': `bytes ${start}-${end}/${blob.bytes.length}`,
        [header]: header === 'etag' ? `"v${version}"` : new Date(version * 1e6).toUTCString(),
      });
      response.end(blob.bytes.subarray(Number(start), Number(end) + 1));
    };
    await withServer(answer, async ({ plane, folder, url }) => {
      const source = await originAt(url, plane).open(blob.target(await folder.folder('p')), PATH, never);
      await source.fetch(blob.piece(0), () => undefined, never);
      await source.fetch(blob.piece(1), () => undefined, never);
      version = 2;
      await assert.rejects(
        source.fetch(blob.piece(2), () => undefined, never),
        /changed/,
      );
      await source.close();
    });
  }
});

test('HTTP origin: user and password are sent, and appear in no URL and no error', async () => {
  const blob = await TestBlob.make({ seed: 'secret' });
  const seen = new Set<string | undefined>();
  const answer: RequestListener = (request, response) => {
    seen.add(request.headers.authorization);
    response.writeHead(404).end();
  };
  await withServer(answer, async ({ plane, folder, url }) => {
    const origin = originAt(url.replace('http://', 'http://nas:s3cr%40t@'), plane);
    assert.ok(!origin.url.includes('s3cr'));
    const source = await origin.open(blob.target(await folder.folder('p')), PATH, never);
    assert.ok(!source.id.id.includes('s3cr'));
    await assert.rejects(
      source.fetch(blob.piece(0), () => undefined, never),
      (error) => !String(error).includes('s3cr'),
    );
    assert.deepEqual([...seen], [`Basic ${Buffer.from('nas:s3cr@t').toString('base64')}`]);
    await source.close();
  });
});

test('HTTP origin: connections are kept, and never more than a few are open', async () => {
  await using folder = await TestFolder.make();
  await using plane = new DataPlane({ workers: 1 }, { log: silentLog });
  const blob = await TestBlob.make({ seed: 'connections', sizeBytes: 40 * 256 * 1024 });
  const sockets = new Set<unknown>();
  const answer: RequestListener = (request, response) => {
    sockets.add(request.socket);
    const [, start, end] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') ?? [];
    response.writeHead(206, { 'content-range': `bytes ${start}-${end}/${blob.bytes.length}` });
    response.end(blob.bytes.subarray(Number(start), Number(end) + 1));
  };
  await withServer(answer, async ({ url }) => {
    const source = await originAt(url, plane).open(blob.target(await folder.folder('p')), PATH, never);
    await Promise.all(blob.pieces().map((piece) => source.fetch(piece, () => undefined, never)));
    for (const piece of blob.pieces()) await source.fetch(piece, () => undefined, never);
    await source.close();
  });
  assert.ok(sockets.size <= 8, `${sockets.size} connections`);
});

test('HTTP origin: what was published is listed with digests, and its manifests prove themselves', async () => {
  await using folder = await TestFolder.make();
  await using plane = new DataPlane({ workers: 1 }, { log: silentLog });
  const root = await folder.folder('nas');
  await using server = await StaticOrigin.start(root);
  const origin = originAt(server.url, plane);
  await assert.rejects(origin.list(never), (error) => codeOf(error) === 'invalid' && /no index/.test(messageOf(error)));

  const blob = await TestBlob.make({ seed: 'published' });
  await lay(root, blob);
  const cid = manifestCid(blob.manifestBytes, blake3);
  const file = { path: PATH, sizeBytes: blob.bytes.length, sha256: blob.sha256, manifest: cid };
  await mkdir(join(root, '.shoal/manifests'), { recursive: true });
  await writeFile(join(root, '.shoal/index.json'), formatIndex([makeModel(PATH, ['a model'], [file])]));
  await writeFile(join(root, '.shoal/manifests', cid), blob.manifestBytes);
  const [model] = await origin.list(never);
  assert.deepEqual(model, { id: PATH, aliases: ['a model'], digest: `sha256:${blob.sha256}`, files: [file] });
  assert.deepEqual(Buffer.from(await origin.manifest(cid, never)), Buffer.from(blob.manifestBytes));

  await truncate(join(root, '.shoal/manifests', cid), 100);
  await assert.rejects(origin.manifest(cid, never), (error) => codeOf(error) === 'source-lied');
  await assert.rejects(origin.manifest('../../etc/passwd', never), (error) => codeOf(error) === 'invalid');
  await writeFile(join(root, '.shoal/index.json'), '{"version":1,"models":[{"id":"../x"}]}');
  await assert.rejects(origin.list(never), (error) => codeOf(error) === 'invalid');
});

test('HTTP origin: nobody listening is gone, and a real change of the file is too', async () => {
  await using folder = await TestFolder.make();
  await using plane = new DataPlane({ workers: 1 }, { log: silentLog });
  const blob = await TestBlob.make({ seed: 'changes' });
  const nobody = await originAt('http://127.0.0.1:9/', plane).open(blob.target(await folder.folder('p')), PATH, never);
  await assert.rejects(
    nobody.fetch(blob.piece(0), () => undefined, never),
    (error) => codeOf(error) === 'source-gone',
  );
  await nobody.close();

  const root = await folder.folder('nas');
  const file = await lay(root, blob);
  await using server = await StaticOrigin.start(root);
  const source = await originAt(server.url, plane).open(blob.target(await folder.folder('q')), PATH, never);
  await source.fetch(blob.piece(0), () => undefined, never);
  await utimes(file, new Date(), new Date(1_000_000));
  await assert.rejects(
    source.fetch(blob.piece(1), () => undefined, never),
    (error) => codeOf(error) === 'source-gone',
  );
  await appendFile(file, 'x');
  await source.close();
});
