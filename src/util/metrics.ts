import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/**
 * One registry per daemon (tests run several in a process). Parts declare their metrics beside the code that counts:
 * `const rejected = metrics.counter('shoal_rejected_pieces_total', 'Pieces that failed their hash', ['peer'])`.
 */
export class Metrics {
  readonly registry = new Registry();

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

  /** Prometheus text exposition format, version 0.0.4. */
  text(): Promise<string> {
    return this.registry.metrics();
  }
}
