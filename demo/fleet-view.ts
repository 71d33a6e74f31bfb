import type { TransferView } from '../src/flows/views.ts';
import { formatBytes } from '../src/util/bytes.ts';
import type { DaemonProcess } from '../test/support/daemon-process.ts';
import type { HeartbeatConsumer } from '../test/support/heartbeat-consumer.ts';
import { type Sample, sumOf } from '../test/support/metrics-text.ts';
import type { StaticOrigin } from '../test/support/static-origin.ts';
import type { Frame, Row } from './dashboard.ts';
import type { StockedModel } from './stock.ts';

const COLUMNS = ['checkpoint', 'gguf', 'pipeline', 'loras'] as const;

/** What is seen from outside: each daemon's transfers and metrics, the NAS's own count, the heartbeats. */
export class FleetView {
  readonly #daemons: readonly DaemonProcess[];
  readonly #stock: readonly StockedModel[];
  readonly #nas: StaticOrigin;
  readonly #consumer: HeartbeatConsumer;
  readonly #startedMs = performance.now();
  readonly #transfers = new Map<string, readonly TransferView[]>();
  readonly #metrics = new Map<string, readonly Sample[]>();
  /** Metrics of runs that were killed: their counters began again at zero. */
  readonly #earlier: { readonly node: string; readonly samples: readonly Sample[] }[] = [];

  constructor(
    options: { stock: readonly StockedModel[] },
    parts: { daemons: readonly DaemonProcess[]; nas: StaticOrigin; consumer: HeartbeatConsumer },
  ) {
    this.#stock = options.stock;
    this.#daemons = parts.daemons;
    this.#nas = parts.nas;
    this.#consumer = parts.consumer;
  }

  /** Asks every daemon once; one that does not answer (because it was killed) keeps what it said last. */
  async refresh(): Promise<void> {
    await Promise.all(
      this.#daemons.map(async (daemon) => {
        const { name, log } = daemon;
        if (!daemon.isRunning) return;
        try {
          const [transfers, metrics] = await Promise.all([daemon.transfers(), daemon.metrics()]);
          if (log !== daemon.log) return; // another run by now
          this.#transfers.set(name, transfers);
          this.#metrics.set(name, metrics);
        } catch {
          // It is being killed or has just come back; the next round asks again.
        }
      }),
    );
  }

  /** Call before a daemon's counters are lost. */
  keepMetrics(daemon: DaemonProcess): void {
    this.#earlier.push({ node: daemon.name, samples: this.#metrics.get(daemon.name) ?? [] });
    this.#metrics.delete(daemon.name);
    this.#transfers.delete(daemon.name);
  }

  transfer(daemon: DaemonProcess, model: string): TransferView | undefined {
    return this.#transfers.get(daemon.name)?.find((transfer) => transfer.model === model);
  }

  total(metric: string, labels: Readonly<Record<string, string>> = {}): number {
    const all = [...this.#metrics.values(), ...this.#earlier.map(({ samples }) => samples)];
    return all.reduce((sum, samples) => sum + sumOf(samples, metric, labels), 0);
  }

  /** Pieces that failed their hash, by the peer id that sent them. */
  rejected(): Map<string, number> {
    const byPeer = new Map<string, number>();
    for (const samples of [...this.#metrics.values(), ...this.#earlier.map((run) => run.samples)]) {
      for (const { name, labels, value } of samples) {
        const peer = labels['peer'];
        if (name !== 'shoal_rejected_pieces_total' || peer === undefined || value === 0) continue;
        byPeer.set(peer, (byPeer.get(peer) ?? 0) + value);
      }
    }
    return byPeer;
  }

  has(daemon: DaemonProcess, model: string): boolean {
    return this.#consumer.available(daemon.name).includes(model);
  }

  frame(): Frame {
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(0);
    const fromPeers = formatBytes(this.total('shoal_received_bytes_total', { source: 'peer' }));
    const beats = this.#consumer.heartbeats.length;
    return {
      columns: COLUMNS,
      rows: this.#daemons.map((daemon) => this.#row(daemon)),
      footer: `${seconds} s · NAS sent ${formatBytes(this.#nas.totalSent())} · peers ${fromPeers} · ${beats} heartbeats`,
    };
  }

  #row(daemon: DaemonProcess): Row {
    const transfers = this.#transfers.get(daemon.name) ?? [];
    const rate = transfers.reduce((sum, transfer) => sum + transfer.bytesPerSecond, 0);
    return {
      node: daemon.name,
      state: daemon.isRunning ? 'up' : 'down',
      bytesPerSecond: rate,
      cells: COLUMNS.map((column) => {
        const models = this.#stock.filter((model) => model.column === column);
        const present = models.filter((model) => this.has(daemon, model.id)).length;
        const total = models.reduce((sum, model) => sum + model.sizeBytes, 0);
        const done = models.reduce((sum, model) => {
          if (this.has(daemon, model.id)) return sum + model.sizeBytes;
          return sum + (transfers.find((transfer) => transfer.model === model.id)?.bytesDone ?? 0);
        }, 0);
        const share = total === 0 ? 0 : Math.min(1, done / total);
        const percent = `${Math.floor(share * 100)}%`;
        const mark = models.length > 1 ? `${present}/${models.length}` : present === 1 ? '✓' : percent;
        return { share, mark };
      }),
    };
  }
}
