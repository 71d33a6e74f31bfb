import { isDeepStrictEqual } from 'node:util';
import { Bitfield } from '../content/bitfield.ts';
import type { Model } from '../content/model.ts';
import type { FleetModelView } from './fleet-view.ts';
import type { Offer } from './offers.ts';

/** What there is of one id; an offer counts more than what is here, because that is what the others have. */
export interface KnownModel {
  readonly offer: Offer | undefined;
  readonly own: Model | undefined;
  /** Wanted, or here and damaged. */
  readonly isUnfinished: boolean;
}

/** All models of the fleet at one revision, in one order, and what a node has of them as bits. */
export class FleetModels {
  readonly views: readonly FleetModelView[];
  readonly #indices: ReadonlyMap<string, number>;
  /** Also of some models that have other files now: those that follow from one another share it. */
  readonly #idsOfBlobs: Map<string, string>;
  /** A node's models stay the same for a long time. */
  readonly #columns = new WeakMap<object, FleetColumn>();

  private constructor(views: readonly FleetModelView[], idsOfBlobs: Map<string, string>) {
    this.views = views;
    this.#indices = new Map(views.map(({ id }, index) => [id, index]));
    this.#idsOfBlobs = idsOfBlobs;
  }

  static of(offers: Iterable<Offer>, own: Iterable<Model>, unfinished: Iterable<string>): FleetModels {
    const found = new Map<string, FleetModelView>();
    const idsOfBlobs = new Map<string, string>();
    for (const id of unfinished) found.set(id, { id });
    for (const model of own) {
      found.set(model.id, viewOf(model, undefined));
      noteBlobs(model, idsOfBlobs);
    }
    for (const offer of offers) {
      found.set(offer.id, viewOf(offer, offer.origins.length));
      noteBlobs(offer, idsOfBlobs);
    }
    return new FleetModels([...found.values()].sort(byId), idsOfBlobs);
  }

  /** As it is with what is known of these ids now; this one where that makes no difference. */
  with(changes: ReadonlyMap<string, KnownModel>): FleetModels {
    const news = new Map<string, FleetModelView | undefined>();
    for (const [id, { offer, own, isUnfinished }] of changes) {
      for (const model of [own, offer]) if (model !== undefined) noteBlobs(model, this.#idsOfBlobs);
      const here = own === undefined ? undefined : viewOf(own, undefined);
      const view =
        offer === undefined ? (here ?? (isUnfinished ? { id } : undefined)) : viewOf(offer, offer.origins.length);
      if (!isDeepStrictEqual(view, this.views[this.#indices.get(id) ?? -1])) news.set(id, view);
    }
    if (news.size === 0) return this;
    const kept = this.views.filter(({ id }) => !news.has(id));
    const made = [...news.values()].filter((view) => view !== undefined);
    // Nearly sorted, which costs little more than to look at each.
    return new FleetModels([...kept, ...made].sort(byId), this.#idsOfBlobs);
  }

  indexOf(id: string): number | undefined {
    return this.#indices.get(id);
  }

  /** The model of which a blob is a file. */
  indexOfBlob(sha256: string): number | undefined {
    const id = this.#idsOfBlobs.get(sha256);
    return id === undefined ? undefined : this.#indices.get(id);
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

function noteBlobs({ id, files }: Model | Offer, idsOfBlobs: Map<string, string>): void {
  for (const { sha256 } of files) if (sha256 !== undefined) idsOfBlobs.set(sha256, id);
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

function byId(a: FleetModelView, b: FleetModelView): number {
  return a.id < b.id ? -1 : 1;
}
