import { TunesmithError } from '../errors/tunesmith-error.js';
import type { AdapterStack } from '../model/adapters.js';
import type { Model } from '../model/model.js';

/** What acts in a row: an adapter, several of them with the first innermost, or the base alone. */
export type AdapterChoice = string | AdapterStack | null;

/** Adapters where programs can read them, by the names that the model has for them. */
export interface PlacedAdapters {
  readonly model: Model;
  /** One for each stack that was asked for. */
  readonly stacks: readonly AdapterStack[];
  /** Lets others take the places; to be called once nothing reads them any more. */
  release(): void;
}

/** Brings adapters to where programs read them. */
export interface AdapterPlaces {
  place(stacks: readonly AdapterStack[]): PlacedAdapters;
}

/** The adapters of a batch's rows: few stacks, and which of them each row has. */
export interface RowAdapters extends PlacedAdapters {
  readonly rows: Int32Array;
}

/** A model's own adapters: they are where they are. */
export function ownAdapters(model: Model): AdapterPlaces {
  return { place: (stacks) => ({ model, stacks, release: () => {} }) };
}

/**
 * Places what the rows ask for. Stacks come in one order, whatever that of the rows, so that batches with the same
 * adapters run the same program.
 */
export function placeRows(
  places: AdapterPlaces,
  choice: AdapterChoice | ((row: number) => AdapterChoice),
  count: number,
): RowAdapters {
  const chosen = Array.from({ length: count }, (_, row) =>
    stackOf(typeof choice === 'function' ? choice(row) : choice),
  );
  const keys = chosen.map((stack) => JSON.stringify(stack));
  const distinct = [...new Map(keys.map((key, row) => [key, chosen[row] as AdapterStack]))];
  const placed = places.place(distinct.map(([, stack]) => stack));
  try {
    for (const stack of placed.stacks) placed.model.under(stack);
  } catch (error) {
    placed.release();
    throw error;
  }
  const order = placed.stacks
    .map((stack, index) => ({ stack, key: distinct[index]?.[0], name: JSON.stringify(stack) }))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  return {
    ...placed,
    stacks: order.map(({ stack }) => stack),
    rows: Int32Array.from(keys, (key) => order.findIndex((entry) => entry.key === key)),
  };
}

function stackOf(choice: AdapterChoice | undefined): AdapterStack {
  if (choice === undefined) {
    throw new TunesmithError('CONFIG_INVALID', 'a prompt has no adapter', {
      where: 'adapters',
      expected: 'a name, a list of names, or null for the base alone, for every prompt',
    });
  }
  if (choice === null) return [];
  return typeof choice === 'string' ? [choice] : choice;
}
