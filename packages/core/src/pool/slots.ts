import type { Method } from '../method/method.js';

/** A place in the model for one adapter of a shape. Programs know slots, so that a slot's adapter can change under them. */
export interface Slot {
  /** The name that the model knows it by. */
  readonly name: string;
  readonly shape: string;
  readonly methods: readonly Method[];
  /** The adapter whose values lie in it now. */
  adapter: string | null;
  /** How many generations are reading it. */
  readers: number;
}

/**
 * What two adapters must have in common to take each other's place under a compiled program: methods and their options,
 * but for those that act in training alone, which the method names. Equal options on one base give equal shapes.
 */
export function shapeOf(methods: readonly Method[]): string {
  return JSON.stringify(
    methods.map(({ name, config, trainingOptions = [] }) => {
      const options = Object.entries(config as Record<string, unknown>);
      return [name, sorted(options.filter(([key]) => !trainingOptions.includes(key)))];
    }),
  );
}

function sorted(entries: readonly (readonly [string, unknown])[]): unknown {
  return [...entries].filter(([, value]) => value !== undefined).sort(([one], [other]) => (one < other ? -1 : 1));
}

/**
 * Slots for adapters that are wanted at once: as few as there are adapters, and the first of the shape, so that equal
 * demands meet equal programs. Who lies in one of them stays; a slot that is read is passed over, unless its adapter is
 * wanted. Null where one more slot is needed.
 */
export function chooseSlots(slots: readonly Slot[], wanted: readonly string[]): ReadonlyMap<string, Slot> | null {
  const chosen = new Map<string, Slot>();
  const free: Slot[] = [];
  for (const slot of slots) {
    const { adapter, readers } = slot;
    const isWanted = adapter !== null && wanted.includes(adapter) && !chosen.has(adapter);
    if (readers === 0 || isWanted) {
      if (isWanted) chosen.set(adapter, slot);
      else free.push(slot);
    }
    if (chosen.size + free.length === wanted.length) break;
  }
  if (chosen.size + free.length < wanted.length) return null;
  for (const name of wanted) if (!chosen.has(name)) chosen.set(name, free.shift() as Slot);
  return chosen;
}
