import { Writable } from 'node:stream';
import { pino } from 'pino';
import type { Log } from '../../src/util/log.ts';

export interface CollectedLine {
  readonly level: string;
  readonly msg: string;
  readonly problem?: string;
  readonly [field: string]: unknown;
}

/** A log whose lines a test can look at; `debug` and below are left out. */
export function collectLog(): { log: Log; lines: CollectedLine[] } {
  const lines: CollectedLine[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(JSON.parse(chunk.toString()) as CollectedLine);
      done();
    },
  });
  return { log: pino({ level: 'info', formatters: { level: (label) => ({ level: label }) } }, stream), lines };
}
