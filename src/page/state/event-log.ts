import type { Transfer } from '../../api/schemas.ts';
import { formatBytes, formatDuration } from '../format.ts';
import type { LoggedEvent, Tone } from './page-state.ts';

const KEPT = 200;

/** The last events as sentences, the newest first; progress is no event. */
export class EventLog {
  #entries: readonly LoggedEvent[] = [];
  #count = 0;
  readonly #transferStates = new Map<string, Transfer['state']>();

  get entries(): readonly LoggedEvent[] {
    return this.#entries;
  }

  /** Returns false where there is nothing to tell. */
  add(event: string, data: unknown): boolean {
    const told = this.#sentence(event, data as Readonly<Record<string, unknown>>);
    if (told === undefined) return false;
    this.#count += 1;
    const entry = { id: this.#count, atMs: Date.now(), text: told[0], tone: told[1] ?? 'plain' };
    this.#entries = [entry, ...this.#entries.slice(0, KEPT - 1)];
    return true;
  }

  #sentence(event: string, data: Readonly<Record<string, unknown>>): readonly [string, Tone?] | undefined {
    const text = (name: string): string => (typeof data[name] === 'string' ? data[name] : '');
    switch (event) {
      case 'model':
        return text('state') === 'installed' ? [`${text('id')} is installed`, 'good'] : [`${text('id')} is gone`];
      case 'transfer':
        return this.#transfer(data as unknown as Transfer);
      case 'peer': {
        const name = text('name') || text('peerId').slice(-8);
        if (text('change') === 'blamed') return [`${name} sent something wrong and is avoided`, 'bad'];
        return text('change') === 'joined' ? [`${name} has joined`, 'good'] : [`${name} has left`];
      }
      case 'origin':
        return data['reachable'] === false ? [`origin ${text('url')} does not answer`, 'bad'] : undefined;
      case 'node': {
        const isBad = ['Offline', 'Failed'].includes(text('status'));
        const state = text('status').toLowerCase() || 'gone';
        const why = text('reason');
        return why === 'heartbeat' ? undefined : [`${text('node_id')} is ${state}: ${why}`, isBad ? 'bad' : 'plain'];
      }
      default:
        return undefined;
    }
  }

  #transfer({ model, state, problem, bytesTotal, seconds }: Transfer): readonly [string, Tone?] | undefined {
    if (this.#transferStates.get(model) === state) return undefined;
    this.#transferStates.set(model, state);
    switch (state) {
      case 'fetching':
        return [`${model} is being fetched`];
      case 'stalled':
        return [`${model}: no source gives what is missing`, 'bad'];
      case 'failed':
        return [`${model}: ${problem?.message ?? 'failed'}`, 'bad'];
      case 'done':
        return [`${model} was fetched: ${formatBytes(bytesTotal)} in ${formatDuration(seconds * 1000)}`, 'good'];
      case 'queued':
      case 'starting':
      case 'verifying':
      case 'installing':
        return undefined;
    }
  }
}
