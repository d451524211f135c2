import { didYouMean } from '../errors/nearest-names.js';
import { TunesmithError } from '../errors/tunesmith-error.js';
import type { AdapterPlaces, PlacedAdapters } from '../generate/row-adapters.js';
import { importAdapter } from '../method/adapter.js';
import type { Method } from '../method/method.js';
import type { AdapterStack } from '../model/adapters.js';
import { buildModel, type Model, type ModelOptions } from '../model/model.js';
import type { HostArray } from '../parameters/handle.js';
import type { ParameterStore } from '../parameters/parameter-store.js';
import type { TensorSource } from '../storage/stored-tensor.js';
import { chooseSlots, type Slot, shapeOf } from './slots.js';

export interface AdapterPoolOptions<Config> extends Omit<ModelOptions<Config>, 'adapters'> {
  /** Where the base's weights lie, and the adapters that are in use. */
  readonly parameters: ParameterStore;
}

/** One method of an adapter, and the tensors that it was saved with. */
export interface AdapterPart {
  readonly method: Method;
  readonly tensors: TensorSource;
}

/**
 * Any number of adapters over one base, by name. Their values are kept on the host; the model has a slot for each that
 * is in use at once. An adapter that agrees in shape with one that was used before takes its slot, and every program
 * that was compiled for that slot serves it: no compilation, and on the CPU no copy either.
 */
export interface AdapterPool extends AdapterPlaces {
  readonly parameters: ParameterStore;
  /** The base with the slots that there are now. */
  readonly model: Model;
  readonly names: readonly string[];
  /** Reads an adapter: all of its methods, the first innermost. A name that is taken gets the new values. */
  add(name: string, parts: readonly AdapterPart[]): Promise<void>;
  /** Forgets an adapter. Generations that are reading it end with it. */
  remove(name: string): void;
  /** @throws NAME_UNKNOWN */
  place(stacks: readonly AdapterStack[]): PlacedAdapters;
}

interface Resident {
  readonly shape: string;
  readonly methods: readonly Method[];
  /** Values by the handles' keys within an adapter. */
  readonly values: ReadonlyMap<string, HostArray>;
}

/** A pool over a base whose weights are in the store. */
export function createAdapterPool<Config>({ parameters, ...base }: AdapterPoolOptions<Config>): AdapterPool {
  const residents = new Map<string, Resident>();
  const slots: Slot[] = [];
  let model = buildModel<Config>(base);

  const addSlot = (shape: string, methods: readonly Method[]): Slot => {
    const label = methods.map(({ name }) => name).join('+');
    // A method object belongs to one slot; its config is what makes it.
    const own = methods.map((method) => ({ ...method }));
    const slot: Slot = { name: `${label}#${slots.length}`, shape, methods: own, adapter: null, readers: 0 };
    const named = [...slots, slot].map(({ name, methods: each }) => [name, each]);
    model = buildModel<Config>({ ...base, adapters: Object.fromEntries(named) });
    slots.push(slot);
    return slot;
  };

  const fill = (slot: Slot, adapter: string): void => {
    if (slot.adapter === adapter) return;
    const { values } = residentOf(adapter);
    for (const handle of handlesOf(model, slot)) {
      const key = handle.key.slice(slot.name.length + 1);
      const { shape } = handle;
      const data = values.get(key) as HostArray;
      // The array itself, which no program writes to: on the CPU nothing is copied.
      if (data instanceof Int32Array) parameters.tensors.set(handle.key, { dtype: 'int32', shape, data });
      else parameters.tensors.set(handle.key, { dtype: 'float32', shape, data });
    }
    slot.adapter = adapter;
  };

  const residentOf = (name: string): Resident => {
    const resident = residents.get(name);
    if (resident !== undefined) return resident;
    throw new TunesmithError('NAME_UNKNOWN', `the pool has no adapter "${name}"`, {
      hint: didYouMean(name, residents.keys()),
    });
  };

  return {
    parameters,
    get model() {
      return model;
    },
    get names() {
      return [...residents.keys()];
    },

    async add(name, parts) {
      const methods = parts.map(({ method }) => method);
      const shape = shapeOf(methods);
      const slot = slots.find((each) => each.shape === shape) ?? addSlot(shape, methods);
      const values = new Map<string, HostArray>();
      const host: ParameterStore = {
        ...parameters,
        async write(handle, data) {
          values.set(handle.key.slice(slot.name.length + 1), data);
        },
      };
      for (const [index, { tensors }] of parts.entries()) {
        await importAdapter(model, slot.methods[index] as Method, host, tensors);
      }
      residents.set(name, { shape, methods, values });
      // Whoever reads the old values goes on with them; the next to ask for the name gets the new.
      for (const each of slots) if (each.adapter === name) each.adapter = null;
    },

    remove(name) {
      residentOf(name);
      residents.delete(name);
      for (const slot of slots) if (slot.adapter === name) slot.adapter = null;
    },

    place(stacks) {
      const byShape = new Map<string, string[]>();
      for (const name of new Set(stacks.flat())) {
        const { shape } = residentOf(name);
        byShape.set(shape, [...(byShape.get(shape) ?? []), name]);
      }
      const placed = new Map<string, Slot>();
      for (const [shape, names] of byShape) {
        let chosen = chooseSlots(
          slots.filter((slot) => slot.shape === shape),
          names,
        );
        while (chosen === null) {
          addSlot(shape, residentOf(names[0] as string).methods);
          chosen = chooseSlots(
            slots.filter((slot) => slot.shape === shape),
            names,
          );
        }
        for (const [name, slot] of chosen) {
          fill(slot, name);
          placed.set(name, slot);
        }
      }
      for (const slot of placed.values()) slot.readers++;
      let isReleased = false;
      return {
        model,
        stacks: stacks.map((stack) => stack.map((name) => (placed.get(name) as Slot).name)),
        release() {
          if (isReleased) return;
          isReleased = true;
          for (const slot of placed.values()) slot.readers--;
        },
      };
    },
  };
}

/** Everything that lies in a slot, a head of its own included. */
function handlesOf(model: Model, { methods }: Slot) {
  return new Set(methods.flatMap((method) => model.ownedBy(method)));
}
