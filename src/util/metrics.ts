import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** So seldom that it costs nothing. */
const EVENT_LOOP_LOOK_MS = 3_600_000;

/**
 * One registry per daemon (tests run several in a process). Parts declare their metrics beside the code that counts:
 * `const rejected = metrics.counter('shoal_rejected_pieces_total', 'Pieces that failed their hash', ['peer'])`.
 */
export class Metrics {
  readonly registry = new Registry();
  readonly #collectors: (() => Promise<void> | void)[] = [];

  counter<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  gauge<L extends string = never>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames: readonly L[] = [],
  ): Histogram<L> {
    return new Histogram({ name, help, labelNames, buckets: [...buckets], registers: [this.registry] });
  }

  /**
   * What Node and the process say of themselves, except how late the event loop has been: the histogram of that wakes the
   * process a hundred times a second. How late it was when the values were last read is among them, 0 at first.
   */
  addProcess(): void {
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: EVENT_LOOP_LOOK_MS });
    for (const part of ['min', 'max', 'mean', 'stddev', 'p50', 'p90', 'p99'])
      this.registry.removeSingleMetric(`nodejs_eventloop_lag_${part}_seconds`);
  }

  /** Called before the values are read, for gauges that are looked up rather than counted. */
  onCollect(collect: () => Promise<void> | void): void {
    this.#collectors.push(collect);
  }

  /** Prometheus text exposition format, version 0.0.4. */
  async text(): Promise<string> {
    for (const collect of this.#collectors) await collect();
    return await this.registry.metrics();
  }
}
