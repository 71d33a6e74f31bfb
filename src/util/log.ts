import { type Logger, pino } from 'pino';

export type Log = Logger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * JSON lines on standard error: `{"level":"info","time":"2026-01-31T12:00:00.000Z","node":"gpu-1","msg":"ready",…}`.
 * Written synchronously, so that the last words of a dying process are not lost.
 */
export function createLog(options: { level: LogLevel; node?: string }): Log {
  return pino(
    {
      level: options.level,
      base: options.node === undefined ? {} : { node: options.node },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['token', '*.token', 'headers.authorization'], censor: '[hidden]' },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}

export const silentLog: Log = pino({ level: 'silent' });
