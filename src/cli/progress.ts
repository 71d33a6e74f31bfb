import { MultiBar, type SingleBar } from 'cli-progress';
import { formatBytes, formatDuration } from '../util/bytes.ts';
import type { Output } from './output.ts';
import { printable, shorten } from './text.ts';

/** What all downloads that somebody waits for have come to. */
export interface ProgressState {
  readonly label: string;
  readonly bytesTotal: number;
  readonly bytesDone: number;
  readonly bytesPerSecond: number;
  /** Absent while nothing moves. */
  readonly etaMs?: number;
  /** `fetching`, `stalled` … of the one that is most to be worried about. */
  readonly state: string;
  readonly sources: number;
}

export interface Progress extends Disposable {
  update(state: ProgressState): void;
  /** A line that stays. */
  note(text: string): void;
}

export function createProgress(out: Output): Progress {
  return out.isTerminal ? new ProgressBar(out) : new ProgressLines(out);
}

const BAR_WIDTH = 24;

class ProgressBar implements Progress {
  readonly #out: Output;
  #shown: { readonly bars: MultiBar; readonly bar: SingleBar } | undefined;

  constructor(out: Output) {
    this.#out = out;
  }

  update(state: ProgressState): void {
    this.#shown ??= this.#create(state);
    this.#shown.bar.setTotal(Math.max(1, state.bytesTotal));
    this.#shown.bar.update(state.bytesDone, state);
  }

  note(text: string): void {
    if (this.#shown === undefined) {
      this.#out.line(text);
      return;
    }
    this.#shown.bars.log(`${printable(text)}\n`);
    this.#shown.bars.update(); // it would wait for the next drawing, and get lost if there is none
  }

  [Symbol.dispose](): void {
    this.#shown?.bars.stop();
  }

  #create(state: ProgressState): { bars: MultiBar; bar: SingleBar } {
    const bars = new MultiBar({
      stream: process.stderr,
      format: (_options, params, payload) => this.#format(params.progress, payload as Partial<ProgressState>),
      clearOnComplete: true,
      hideCursor: true,
      // Ctrl-C is ours to handle.
      gracefulExit: false,
      fps: 5,
    });
    return { bars, bar: bars.create(Math.max(1, state.bytesTotal), 0, state) };
  }

  #format(progress: number, state: Partial<ProgressState>): string {
    const filled = Math.floor(Math.min(1, progress) * BAR_WIDTH);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
    const figures = `${bar} ${describeProgress(state as ProgressState)}`;
    const room = this.#out.width() - figures.length - 3;
    return room < 8
      ? figures.slice(0, this.#out.width() - 1)
      : `${shorten(printable(state.label ?? ''), room)} ${figures}`;
  }
}

const LINE_EVERY_MS = 5_000;

/** For log files and pipes: a line now and then, and whenever the state changes. */
class ProgressLines implements Progress {
  readonly #out: Output;
  #state = '';
  #nextAt = 0;

  constructor(out: Output) {
    this.#out = out;
  }

  update(state: ProgressState): void {
    const now = performance.now();
    if (state.state === this.#state && now < this.#nextAt) return;
    this.#state = state.state;
    this.#nextAt = now + LINE_EVERY_MS;
    this.#out.line(`${state.label}: ${describeProgress(state)}`);
  }

  note(text: string): void {
    this.#out.line(text);
  }

  [Symbol.dispose](): void {
    // Nothing is held.
  }
}

/** `45% of 3.2 GiB, 85 MiB/s, 20 s left, 3 sources`. */
export function describeProgress(state: ProgressState): string {
  const share = state.bytesTotal === 0 ? 0 : Math.floor((state.bytesDone / state.bytesTotal) * 100);
  const parts = [`${share}% of ${formatBytes(state.bytesTotal)}`];
  if (state.state !== 'fetching') parts.push(state.state);
  if (state.bytesPerSecond > 0) parts.push(`${formatBytes(state.bytesPerSecond)}/s`);
  if (state.etaMs !== undefined && state.bytesDone < state.bytesTotal)
    parts.push(`${formatDuration(state.etaMs)} left`);
  if (state.sources > 0) parts.push(`${state.sources} source${state.sources === 1 ? '' : 's'}`);
  return parts.join(', ');
}
