import { didYouMean } from '../errors/nearest-names.js';
import { TunesmithError } from '../errors/tunesmith-error.js';
import type { Method } from '../method/method.js';
import type { Named, Tensor } from '../tensor/tfjs.js';

/** Adapters that live on one base beside each other, by name; each is one method or several, the first innermost. */
export type AdapterMethods = Readonly<Named<readonly Method[]>>;

/** Adapters that act together, the first innermost; none is the base alone. */
export type AdapterStack = readonly string[];

/** Which adapters act in a run: one stack for every row of the batch, or for each row one of several. */
export interface ActiveAdapters {
  readonly stacks: readonly AdapterStack[];
  /** Which of the stacks a row has, int32 `[batch]`; may be absent where there is but one. */
  readonly rows?: Tensor;
}

/** No adapter, in any row. */
export const noAdapters: ActiveAdapters = { stacks: [[]] };

/** Whose wraps and weights act under a stack, innermost first: the methods', which are null, unless a run is bare, then each adapter's. */
export function actingIn(stack: AdapterStack, bare = false): readonly (string | null)[] {
  return bare ? stack : [null, ...stack];
}

/** Who declares a handle or wraps a site: a method of the model, or one of a named adapter. */
export interface Owner {
  /** First part of the keys of its handles: the method's name, behind the adapter's; the second of a name has a number. */
  readonly owner: string;
  /** The adapter that it belongs to; null for a method that always acts. */
  readonly adapter: string | null;
}

/**
 * The owners of a model's methods and adapters. Several may be of one method, and are numbered then; one method object
 * stands for one of them, because everything that is asked of a method later is asked by its object.
 */
export function ownersOf(methods: readonly Method[], adapters: AdapterMethods): ReadonlyMap<Method, Owner> {
  const owners = new Map<Method, Owner>();
  const names = new Set<string>();
  const nameOf = (name: string): string => {
    let free = name;
    for (let count = 2; names.has(free); count++) free = `${name}#${count}`;
    names.add(free);
    return free;
  };
  const add = (method: Method, owner: Owner): void => {
    if (owners.has(method)) {
      throw new TunesmithError('METHOD_CONFLICT', `one ${method.name} object is given twice`, {
        got: `${owners.get(method)?.owner} and ${owner.owner}`,
        hint: 'Make an object for each: a method is a value, called with a config.',
      });
    }
    owners.set(method, owner);
  };
  for (const method of methods) add(method, { owner: nameOf(method.name), adapter: null });
  for (const [adapter, own] of Object.entries(adapters)) {
    if (adapter === '' || own.length === 0) {
      throw new TunesmithError('CONFIG_INVALID', 'an adapter needs a name and a method', { where: `"${adapter}"` });
    }
    for (const method of own) {
      const reason = reasonAgainst(method);
      if (reason !== null) throw cannotStandBeside(adapter, method.name, reason);
      add(method, { owner: nameOf(`${adapter}/${method.name}`), adapter });
    }
  }
  return owners;
}

/** What keeps a method from being one adapter among others. */
function reasonAgainst({ capabilities, stages }: Method): string | null {
  if (capabilities.trainsBase) return "trains the base's own weights";
  return stages === undefined ? null : 'is patched by the stage of its run';
}

/** Why something is no adapter among others: what it does reaches beyond the rows that ask for it. */
export function cannotStandBeside(adapter: string, method: string, reason: string): TunesmithError {
  return new TunesmithError('CAPABILITY_MISSING', `"${method}" cannot be an adapter beside others: it ${reason}`, {
    where: adapter,
    hint: 'Merge it into the base, or build the model with it as a method.',
  });
}

/** @throws NAME_UNKNOWN, or METHOD_CONFLICT where a stack names an adapter twice */
export function checkStack(stack: AdapterStack, known: readonly string[]): void {
  for (const [index, name] of stack.entries()) {
    if (!known.includes(name)) {
      throw new TunesmithError('NAME_UNKNOWN', `there is no adapter "${name}" on this model`, {
        hint: didYouMean(name, known),
      });
    }
    if (stack.indexOf(name) === index) continue;
    throw new TunesmithError('METHOD_CONFLICT', `"${name}" is stacked on itself`, {
      got: stack.join(', '),
      hint: 'An adapter acts once; combine adapters with weights to make one stronger.',
    });
  }
}
