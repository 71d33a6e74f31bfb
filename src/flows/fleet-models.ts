import { Bitfield } from '../content/bitfield.ts';
import type { Model } from '../content/model.ts';
import type { FleetModelView } from './fleet-view.ts';
import type { Offer } from './offers.ts';

/** All models of the fleet at one revision, in one order, and what a node has of them as bits. */
export class FleetModels {
  readonly views: readonly FleetModelView[];
  readonly #indices: ReadonlyMap<string, number>;
  readonly #offers: readonly Offer[];
  readonly #own: readonly Model[];
  /** A node's models stay the same for a long time. */
  readonly #columns = new WeakMap<object, FleetColumn>();
  #bySha256: Map<string, number> | undefined;

  constructor(offers: Iterable<Offer>, own: Iterable<Model>, others: Iterable<string>) {
    const found = new Map<string, FleetModelView>();
    this.#offers = [...offers];
    this.#own = [...own];
    for (const id of others) found.set(id, { id });
    for (const model of this.#own) found.set(model.id, viewOf(model, undefined));
    for (const offer of this.#offers) found.set(offer.id, viewOf(offer, offer.origins.length));
    this.views = [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    this.#indices = new Map(this.views.map(({ id }, index) => [id, index]));
  }

  indexOf(id: string): number | undefined {
    return this.#indices.get(id);
  }

  /** The model of which a blob is a file. */
  indexOfBlob(sha256: string): number | undefined {
    if (this.#bySha256 === undefined) {
      this.#bySha256 = new Map();
      for (const { id, files } of [...this.#own, ...this.#offers]) {
        const index = this.#indices.get(id);
        if (index === undefined) continue;
        for (const file of files) if (file.sha256 !== undefined) this.#bySha256.set(file.sha256, index);
      }
    }
    return this.#bySha256.get(sha256);
  }

  /** @param key stays the same object for as long as the models do */
  column(key: object, models: Iterable<Model>): FleetColumn {
    const known = this.#columns.get(key);
    if (known !== undefined) return known;
    const installed = new Bitfield(this.views.length);
    const differing: number[] = [];
    for (const { id, digest } of models) {
      const index = this.#indices.get(id);
      if (index === undefined) continue;
      installed.add(index);
      if (this.views[index]?.digest !== undefined && this.views[index].digest !== digest) differing.push(index);
    }
    const column = { installed: Buffer.from(installed.toBytes()).toString('base64'), differing };
    this.#columns.set(key, column);
    return column;
  }
}

export interface FleetColumn {
  readonly installed: string;
  readonly differing: readonly number[];
}

function viewOf(model: Model | Offer, origins: number | undefined): FleetModelView {
  const stem = stemOf(model.id);
  const aliases = model.aliases.filter((alias) => alias !== stem);
  return {
    id: model.id,
    ...(aliases.length === 0 ? {} : { aliases }),
    ...(model.digest === undefined ? {} : { digest: model.digest }),
    sizeBytes: model.sizeBytes,
    ...(origins === undefined || origins === 0 ? {} : { origins }),
  };
}

/** `loras/x.safetensors` → `x`, an alias that every model has. */
function stemOf(id: string): string {
  return (id.split('/').at(-1) ?? id).replace(/\.[^.]+$/, '');
}
